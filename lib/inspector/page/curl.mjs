/** A request as a command for a shell, safe to paste whatever is in it. */

/** What the relay or curl adds by itself. */
const LEFT_OUT = /^(host|via|content-length|transfer-encoding|connection|servicebusauthorization)$/i;

/** Text between quotes. A terminal obeys control characters even there, so none are left in it. */
function quote(text) {
  return `'${String(text)
    .replace(/\p{Cc}/gu, '?')
    .replaceAll("'", "'\\''")}'`;
}

/** Without what was taken out for being secret. */
export function headersToSend(headers) {
  return headers.filter(([name, value]) => !LEFT_OUT.test(name) && !value.includes('***'));
}

export function curl(
  { headers, method, target },
  { preview = '', size = 0, text, cut } = {},
  address = 'http://…'
) {
  const lines = [
    `curl -X ${quote(method)} ${quote(address + target)}`,
    '-H "ServiceBusAuthorization: $(npx hyco-ws-rs token)"',
    ...headersToSend(headers).map((pair) => `-H ${quote(pair.join(': '))}`)
  ];
  const join = (...more) => [...lines, ...more].join(' \\\n  ');
  if (size === 0) return join();
  const note = cut ? `# The beginning of ${size} bytes\n` : '';
  if (text && /^[\x20-\x7e]*$/.test(preview)) return note + join(`--data-raw ${quote(preview)}`);
  const bytes = text ? btoa(String.fromCharCode(...new TextEncoder().encode(preview))) : preview;
  return `${note}printf %s ${quote(bytes)} | base64 -d | ${join('--data-binary @-')}`;
}
