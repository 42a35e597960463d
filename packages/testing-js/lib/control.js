'use strict';
// One request to the server's control API or its REST API: JSON in, JSON out, refusals as errors.

const http = require('node:http');
const https = require('node:https');
const { ExpectationError, MidcallError } = require('./errors.js');

/** The longest wait that the control API allows is 600 s; whoever is silent for longer than that has died. */
const SILENCE_MS = 660_000;

/** The HTTP side of a Switchboard: where the server is and who asks. */
class Control {
  /** @param {{ url: string, accountSid: string, authToken: string, ca?: string | Buffer }} options */
  constructor({ url, accountSid, authToken, ca }) {
    this.url = url.replace(/\/+$/, '');
    this.accountSid = accountSid;
    this.authToken = authToken;
    this.ca = ca;
  }

  /** A request below `/control/v1`; `path` is a list of segments, each of which is escaped here. */
  ask(method, path, body) {
    const segments = path.map((segment) => encodeURIComponent(segment));
    return this.send(method, ['/control/v1', ...segments].join('/'), {
      type: 'application/json',
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  }

  /** A REST request below the account: its fields go as a form. */
  rest(method, path, fields) {
    const text = fields === undefined ? undefined : new URLSearchParams(fields).toString();
    return this.send(method, `/2010-04-01/Accounts/${this.accountSid}/${path}`, {
      type: 'application/x-www-form-urlencoded',
      body: text,
    });
  }

  /**
   * @param {string} method
   * @param {string} target path and query
   * @param {{ type: string, body?: string }} content
   * @returns {Promise<any>} the answer's JSON, undefined where there is none
   */
  async send(method, target, { type, body }) {
    const { status, text } = await this.exchange(method, target, type, body);
    const answer = parsed(text);
    if (status >= 200 && status < 300) return answer;
    if (status === 422 && answer?.message) throw new ExpectationError(answer);
    const reason = answer?.message ?? text.slice(0, 200);
    throw new MidcallError(`${method} ${target} was answered with ${status}: ${reason}`, {
      status,
      code: answer?.code,
    });
  }

  exchange(method, target, type, body) {
    const url = new URL(this.url + target);
    const client = url.protocol === 'https:' ? https : http;
    const headers = { Accept: 'application/json' };
    if (body !== undefined) {
      headers['Content-Type'] = type;
      headers['Content-Length'] = Buffer.byteLength(body);
    }
    // A connection each: on loopback that costs nothing, and no idle one can be closed under a request.
    const options = {
      method,
      headers,
      agent: false,
      auth: `${this.accountSid}:${this.authToken}`,
      ca: this.ca,
      timeout: SILENCE_MS,
    };
    return new Promise((resolve, reject) => {
      const failed = (error) =>
        reject(
          new MidcallError(`${method} ${target}: the server at ${this.url} cannot be asked: ${error.message}`, {
            cause: error,
          }),
        );
      const request = client.request(url, options, (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', failed);
        response.on('end', () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() }));
      });
      request.on('timeout', () => request.destroy(new Error(`no answer for ${SILENCE_MS / 1000} s`)));
      request.on('error', failed);
      request.end(body);
    });
  }
}

function parsed(text) {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

module.exports = { Control };
