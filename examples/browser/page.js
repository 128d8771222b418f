'use strict';

const state = document.querySelector('[role=status]');
const form = document.querySelector('form');
const answers = document.querySelector('ol');

let socket;
let delay = 1000;

/** Each connection has an address of its own, for the last one may be too old. */
async function sendUri() {
  const response = await fetch('send-uri', { method: 'POST' });
  if (!response.ok) throw new Error(`the backend says ${response.status}`);
  const { uri } = await response.json();
  return uri;
}

function show(text, connected) {
  state.textContent = text;
  form.querySelector('button').disabled = !connected;
}

async function connect() {
  try {
    socket = new WebSocket(await sendUri());
  } catch (error) {
    return again(error.message);
  }
  socket.onopen = () => {
    delay = 1000;
    show('connected', true);
  };
  socket.onmessage = ({ data }) => {
    const line = document.createElement('li');
    line.textContent = data;
    answers.append(line);
  };
  // A browser does not tell a page why a handshake failed: without a listener, too, it is a 1006.
  socket.onclose = ({ code }) => again(`closed (${code})`);
}

function again(why) {
  show(`${why}, connecting again`, false);
  setTimeout(connect, delay * Math.random());
  delay = Math.min(delay * 2, 30_000);
}

form.onsubmit = (event) => {
  event.preventDefault();
  socket.send(form.message.value);
  form.reset();
};

connect();
