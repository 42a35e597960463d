'use strict';
// A control API that answers what a test says, and keeps what it was asked.

const http = require('node:http');
const { once } = require('node:events');
const { Switchboard } = require('../../index.js');

const ABOUT = { version: '1', mode: 'dev', time: 'real', media: 'none', account_sid: 'AC1', application_sid: 'AP1' };

class Fake {
  asked = [];
  answers = new Map();
  #server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const { method, url, headers } = request;
    this.asked.push({
      method,
      path: url,
      headers,
      text,
      body: headers['content-type']?.endsWith('json') ? JSON.parse(text) : text,
    });
    const { status = 200, body = {} } = this.answers.get(`${method} ${url}`) ?? {};
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });

  async start() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
    this.answer('GET', '/control/v1', { body: ABOUT });
    return this;
  }

  answer(method, path, { status, body }) {
    this.answers.set(`${method} ${path}`, { status, body });
  }

  /** A switchboard on it; what that asked for is forgotten. */
  async switchboard() {
    const switchboard = await Switchboard.connect({ url: this.url, accountSid: 'AC1', authToken: 'secret' });
    this.asked.length = 0;
    return switchboard;
  }

  get last() {
    const { method, path, body } = this.asked.at(-1);
    return { method, path, body };
  }

  async stop() {
    this.#server.close();
    await once(this.#server, 'close');
  }
}

module.exports = { ABOUT, Fake };
