'use strict';

/** The steps of `doctor` behind the relay: a sender, a listener of its own, and what goes from one to the other. */

const { randomUUID } = require('node:crypto');
const { once } = require('node:events');
const { setTimeout: delay } = require('node:timers/promises');

const { withCode } = require('../shared/errors.js');
const { kindOf } = require('../shared/remedy.js');
const { TokenSource } = require('../shared/token-source.js');
const { askHttp, openWay } = require('./probe.js');

/** Longer than the relay waits for a listener: its answer says more than a time-out of ours. */
const ACCEPT_TIME = 40_000;
/** How long a sender that is through waits for our listener to say that it has it. */
const MEETING_TIME = 1_000;
const ATTEMPTS = 5;
const ANSWER_TIME = 10_000;

/** Has the service choose among the listeners: a feature of its .NET library that is nowhere documented. */
const CHOSEN = 'Microsoft-Relay-AllowedListeners';
/** By it our listener knows our senders. */
const MARK = 'X-Hyco-Doctor';

/**
 * Comes as a sender, to whoever listens.
 *
 * @return {Promise<{found: 'accepted'|'refused'|'nobody'|'denied', error?: Error}>} `denied` is the relay's word about
 *     the rule, `refused` a listener's
 */
async function callListener(uri, options) {
  const { connectRelayed } = require('../socket/connect.js');
  try {
    const socket = await connectRelayed(uri, { ...options, handshakeTimeout: ACCEPT_TIME });
    socket.on('error', () => {});
    socket.close(1000);
    return { found: 'accepted' };
  } catch (error) {
    const kind = kindOf(error);
    if (kind === 'NO_LISTENER') return { found: 'nobody', error };
    if (isOfListener(error)) return { found: 'refused', error };
    if (kind === 'ERR_HYCO_FORBIDDEN') return { found: 'denied', error };
    throw error;
  }
}

/** The relay puts its tracking id into what it refuses by itself, and says why; a proxy has a code of its own. */
function isOfListener(error) {
  const { code, statusCode, trackingId } = error;
  const isUntold = statusCode !== undefined && trackingId === undefined && kindOf(error) === code;
  return isUntold && code !== 'ERR_HYCO_PROXY';
}

/** A listener for the senders of `doctor`. Others that come are turned away: nobody here can serve them. */
class OwnListener {
  #uri;
  #options;
  #server;
  #mark;
  #id = randomUUID();
  #arrived = () => {};
  #failed = () => {};
  /** The host at which the last sender was to be met. */
  gateway;
  /** Senders of somebody else. */
  strangers = 0;

  /**
   * @param {string} uri To send to
   * @param {object} options Its credentials
   */
  constructor(uri, options) {
    this.#uri = uri;
    this.#options = options;
  }

  /** Fulfilled when the relay lets it listen. */
  async open() {
    const { RelayedServer } = require('../listener/server.js');
    const server = new RelayedServer({
      ...this.#options,
      server: this.#uri.replace(/\?.*/, ''),
      id: this.#id,
      reconnect: false,
      verifyClient: ({ req }, answer) => (this.#admits(req) ? answer(true) : answer(false, 503, 'Try again'))
    });
    this.#server = server;
    for (const event of ['error', 'rendezvousError']) server.on(event, (error) => this.#failed(error));
    server.on('connection', (socket, request) => {
      socket.on('error', () => {});
      socket.on('message', (data, binary) => socket.send(data, { binary }));
      if (this.#knows(request)) this.#arrived();
    });
    server.on('request', (req, res) => {
      if (!this.#admits(req)) res.statusCode = 503;
      res.end(this.#mark);
    });
    await once(server, 'listening');
  }

  #admits(request) {
    const isOurs = this.#knows(request);
    if (isOurs) this.gateway = request.relay.host;
    else this.strangers++;
    return isOurs;
  }

  #knows({ headers }) {
    return headers[MARK.toLowerCase()] === this.#mark;
  }

  get #headers() {
    return { [MARK]: this.#mark, [CHOSEN]: this.#id };
  }

  /**
   * Sends a sender to this listener; where there are others, it may take several.
   *
   * @return {Promise<import('../socket/socket.js').RelayedWebSocket>} The sender's end
   */
  async meet() {
    const { connectRelayed } = require('../socket/connect.js');
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      // An earlier one that comes late is not the one that is waited for.
      this.#mark = randomUUID();
      const giveUp = new AbortController();
      const arrival = new Promise((resolve, reject) => {
        this.#arrived = resolve;
        this.#failed = reject;
      });
      // The relay tells the sender so much later.
      arrival.catch(() => giveUp.abort());
      const { signal } = giveUp;
      const options = { ...this.#options, headers: this.#headers, handshakeTimeout: ACCEPT_TIME, signal };
      const dialled = connectRelayed(this.#uri, options);
      let socket;
      try {
        socket = await dialled;
      } catch (error) {
        if (signal.aborted) await arrival;
        const isUnknown = kindOf(error) === 'NO_LISTENER';
        // A listener's word is not of this one; and the relay may be a moment behind with us.
        if (!isUnknown && !isOfListener(error)) throw error;
        if (isUnknown && attempt === ATTEMPTS - 1) throw error;
        await delay(isUnknown ? MEETING_TIME / 2 : 0);
        continue;
      }
      socket.on('error', () => {});
      if (await Promise.race([arrival.then(() => true), delay(MEETING_TIME, false, { ref: false })])) {
        return socket;
      }
      socket.close(1000);
    }
    throw withCode(new Error(`other listeners took all of ${ATTEMPTS} senders`), 'OTHER_LISTENERS');
  }

  /** @return {Promise<number>} milliseconds that a message took there and back */
  async exchange(socket) {
    const started = performance.now();
    socket.send(this.#mark);
    const [data] = await once(socket, 'message', { signal: AbortSignal.timeout(ANSWER_TIME) }).catch(() => {
      throw withCode(new Error('a message was sent, and none came back'), 'ETIMEDOUT');
    });
    if (data.toString() !== this.#mark) throw new Error('another message came back than was sent');
    return performance.now() - started;
  }

  /**
   * Asks this listener by HTTP.
   *
   * @param {URL} url `https://namespace/path`
   * @param {string} [proxy]
   * @return {Promise<{status: number, reached: boolean}>} Whether it was this one that answered
   */
  async request(url, proxy) {
    const headers = { ...this.#headers };
    const { token, credential, key } = this.#options;
    if ((token ?? credential ?? key) !== undefined) {
      headers.ServiceBusAuthorization = await new TokenSource({ ...this.#options, uri: this.#uri }).get();
    }
    const socket = await openWay(url, proxy);
    try {
      const { status, body } = await askHttp(socket, url, headers);
      return { status, reached: body === this.#mark };
    } finally {
      socket.destroy();
    }
  }

  async close() {
    await this.#server.close({ timeout: 2_000 });
  }
}

module.exports = { OwnListener, callListener };
