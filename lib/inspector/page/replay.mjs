/** The form in which a request is looked at, and changed, before it is sent again. */

import { act } from './act.mjs';
import { h, line } from './dom.mjs';
import { headersToSend } from './curl.mjs';

export function openReplay(request, { cut, preview = '', text = true } = {}, onAnswer) {
  const method = field(
    'Method',
    h('input', { name: 'method', value: request.method, required: true, size: 8 })
  );
  const target = field('Target', h('input', { name: 'target', value: request.target, required: true }));
  const headers = h('textarea', { name: 'headers', rows: 5, spellcheck: 'false' });
  headers.value = headersToSend(request.headers)
    .map((pair) => pair.join(': '))
    .join('\n');
  const body = h('textarea', { name: 'body', rows: 7, spellcheck: 'false', readonly: !text });
  body.value = text ? preview : 'These bytes are no text: they are sent as they were.';
  const problem = h('p.problem', { role: 'alert' });
  const send = h('button.main', { type: 'submit' }, 'Send');
  const dialog = h(
    'dialog',
    { 'aria-labelledby': 'replay-title' },
    h(
      'form',
      { method: 'dialog' },
      h('h2', { id: 'replay-title' }, 'Replay a request'),
      h(
        'p.muted',
        'It is signed anew with the key of the emulator. What was hidden, such as cookies, is left out.'
      ),
      h('div.line', method, target),
      field('Headers, one a line', headers),
      field(cut ? 'Body, of which only the beginning was kept' : 'Body', body),
      problem,
      h('div.bar', send, h('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel'))
    )
  );
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('submit', async (event) => {
    event.preventDefault();
    send.disabled = true;
    problem.textContent = '';
    try {
      const bytes = new TextEncoder().encode(body.value);
      const answer = await act('replay', {
        method: method.lastChild.value,
        path: target.lastChild.value,
        headers: readHeaders(headers.value),
        body: text ? btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')) : preview
      });
      dialog.close();
      onAnswer(answer);
    } catch (error) {
      problem.textContent = line(error.message, 600);
      send.disabled = false;
    }
  });
  document.body.append(dialog);
  dialog.showModal();
}

function field(name, input) {
  return h('label', h('span', name), input);
}

function readHeaders(text) {
  return text
    .split('\n')
    .filter((one) => one.trim() !== '')
    .map((one) => {
      const at = one.indexOf(':');
      if (at < 1) throw new Error(`That is no header: ${one}`);
      return [one.slice(0, at).trim(), one.slice(at + 1).trim()];
    });
}
