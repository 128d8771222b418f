'use strict';

const http = require('node:http');
const https = require('node:https');

const { check, readTable } = require('../shared/checks');
const { invalidArgType, invalidArgValue } = require('../shared/errors');

const OPTIONS = { stripPath: [true, check.boolean] };

/** An attached `http.Server`: its listeners get everything that comes through the relay. */
class Attachment {
  /**
   * @param {http.Server|https.Server} httpServer
   * @param {object} [options]
   * @param {boolean} [options.stripPath=true] Takes the path of the hybrid connection off `url`
   * @param {string} path That path
   * @throws {TypeError}
   */
  constructor(httpServer, options, path) {
    if (!(httpServer instanceof http.Server || httpServer instanceof https.Server)) {
      const ofHttp2 = /^Http2/.test(httpServer?.constructor?.name ?? '');
      if (ofHttp2) throw invalidArgValue('httpServer', 'it is one of http2, whose requests are others');
      throw invalidArgType('httpServer', 'an http.Server or an https.Server', httpServer);
    }
    const { stripPath } = readTable(OPTIONS, check.object(options ?? {}, 'options'), 'options.');
    this.httpServer = httpServer;
    /** How many parts of each path lead to the hybrid connection: the relay sees to it that they are there. */
    this.parts = stripPath ? path.split('/').filter(Boolean).length : 0;
  }

  /** Whether the server takes WebSockets. */
  get upgrades() {
    return this.httpServer.listenerCount('upgrade') > 0;
  }

  /**
   * Takes the path of the hybrid connection off a request, as if it were mounted there: where a framework makes absolute
   * links, it goes by `originalUrl` and `baseUrl`.
   */
  place(req) {
    const { url } = req;
    const at = this.prefixOf(url);
    req.originalUrl = url;
    req.baseUrl = url.slice(0, at);
    if (at > 0) req.url = url[at] === '/' ? url.slice(at) : `/${url.slice(at)}`;
  }

  /** Where the path of the hybrid connection ends in `url`. */
  prefixOf(url) {
    let at = 0;
    for (let part = 0; part < this.parts; part++) {
      if (url[at] !== '/') return 0;
      at++;
      while (at < url.length && url[at] !== '/' && url[at] !== '?') at++;
    }
    return at;
  }
}

module.exports = { Attachment };
