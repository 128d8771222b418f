'use strict';

/** Hands a sender's WebSocket to the listeners of `upgrade` of an attached `http.Server`. */

const { randomBytes } = require('node:crypto');

const { RelayedRequest } = require('./request');
const { UpgradeStream } = require('../http/upgrade-stream');

/** What the relay leaves out, or may leave out, of what a WebSocket library looks at. */
const NEEDED = {
  connection: () => ['Connection', 'Upgrade'],
  upgrade: () => ['Upgrade', 'websocket'],
  'sec-websocket-version': () => ['Sec-WebSocket-Version', '13'],
  'sec-websocket-key': () => ['Sec-WebSocket-Key', randomBytes(16).toString('base64')],
  host: ({ host }) => ['Host', host]
};

/**
 * The request of such a sender: as it would come to a port, except that nobody can offer extensions, for frames do not
 * cross the relay.
 *
 * @param {import('./offer-record').OfferRecord} record
 * @param {import('../http/attachment').Attachment} attachment
 * @return {RelayedRequest}
 */
function upgradeRequest(record, attachment) {
  const given = record.headerLines();
  const lines = [];
  const names = new Set();
  for (let index = 0; index < given.length; index += 2) {
    const name = given[index].toLowerCase();
    if (name === 'sec-websocket-extensions') continue;
    names.add(name);
    lines.push(given[index], given[index + 1]);
  }
  for (const [name, make] of Object.entries(NEEDED)) if (!names.has(name)) lines.push(...make(record));
  const { target, host, trackingId, remoteAddress, port } = record;
  // Nobody needs more of the address, which has credentials in it.
  const address = record.address.slice(0, record.address.indexOf('/'));
  const request = new RelayedRequest({
    address,
    target,
    host,
    trackingId,
    remoteAddress,
    port,
    headerLines: () => lines
  });
  attachment.place(request);
  return request;
}

/**
 * Emits `upgrade`.
 *
 * @param {import('./acceptor').Acceptor} acceptor
 * @param {object} offer With the request; gets a `stream`
 * @param {import('../http/attachment').Attachment} attachment
 */
function upgrade(acceptor, offer, { httpServer }) {
  const { request } = offer;
  const stream = new UpgradeStream(request, {
    accept: (protocol) => offer.settled || acceptor.enqueue(offer, protocol),
    refuse: (status, reason) => acceptor.reject(offer, status, reason)
  });
  offer.stream = stream;
  request.socket = request.client = stream;
  try {
    httpServer.emit('upgrade', request, stream, Buffer.alloc(0));
  } catch (error) {
    acceptor.userFailed(offer, error);
  }
}

module.exports = { upgrade, upgradeRequest };
