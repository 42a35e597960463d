'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { given } = require('./actions.js');
const { Client } = require('./client.js');
const { Control } = require('./control.js');
const { MidcallError } = require('./errors.js');
const { Person, listOf } = require('./person.js');
const { Recorder, endpointOf } = require('./recorder.js');
const { OwnServer, askProgram, commandOf } = require('./server.js');

const VERSION = '1';

/** A server and the people on it. Made by `start`, `connect`, or new and then `open`. */
class Switchboard {
  #options;
  #own;
  #dataDir;
  #command;
  #control;
  #environment;

  /** @param {import('../index.js').StartOptions & import('../index.js').ConnectOptions} [options] */
  constructor(options = {}) {
    this.#options = options;
  }

  static start(options = {}) {
    return new Switchboard(options).open();
  }

  static connect(options) {
    if (!options?.url && !options?.dataDir) {
      throw new MidcallError('connect needs { url, accountSid, authToken } or { dataDir } of a running server');
    }
    return new Switchboard(options).open();
  }

  /** Starts the server, or finds the running one; the same object. */
  async open() {
    if (this.#control) throw new MidcallError('this switchboard is open already');
    const { url, accountSid, authToken, ca, dataDir, command } = this.#options;
    if (url) {
      if (!accountSid || !authToken) throw new MidcallError('url needs accountSid and authToken beside it');
      await this.#meet(new Control({ url, accountSid, authToken, ca }));
      return this;
    }
    if (!dataDir) this.#own = await OwnServer.start(this.#options);
    this.#dataDir = this.#own?.dataDir ?? path.resolve(dataDir);
    this.#command = this.#own?.command ?? commandOf(command);
    try {
      const known = await askProgram(this.#command, this.#dataDir, 'credentials', '--format', 'json');
      if (!fs.existsSync(path.join(this.#dataDir, 'server.json'))) {
        throw new MidcallError(`no server runs on ${this.#dataDir}; start it with midcall serve`);
      }
      this.#take(known);
      await this.#meet(
        new Control({ url: known.http_url, accountSid: known.account_sid, authToken: known.auth_token }),
      );
    } catch (error) {
      await this.#own?.stop();
      throw error;
    }
    return this;
  }

  async #meet(control) {
    let about;
    try {
      about = await control.ask('GET', []);
    } catch (error) {
      if (error.status !== 404) throw error;
      throw new MidcallError(`the server at ${control.url} has no control API: it needs --mode dev`, { cause: error });
    }
    if (String(about.version) !== VERSION) {
      throw new MidcallError(`the server speaks version ${about.version} of the control API, this package ${VERSION}`);
    }
    this.#control = control;
    this.#take({ ...about, auth_token: control.authToken });
    this.media = about.media;
    this.time = about.time;
  }

  #take(known) {
    const fields = {
      httpUrl: 'http_url',
      httpsUrl: 'https_url',
      signalingHost: 'signaling_host',
      caFile: 'ca_file',
      accountSid: 'account_sid',
      authToken: 'auth_token',
      apiKeySid: 'api_key_sid',
      apiKeySecret: 'api_key_secret',
      applicationSid: 'application_sid',
    };
    for (const [name, key] of Object.entries(fields)) if (known[key] !== undefined) this[name] = known[key];
  }

  get #open() {
    if (!this.#control) throw new MidcallError('this switchboard is not open: await it, or call it from a test');
    return this.#control;
  }

  get isOpen() {
    return this.#control !== undefined;
  }

  async person(name, { onCall, ...others } = {}) {
    const body = given({ name, on_call: onCall, ...others });
    return new Person(this.#open, await this.#open.ask('POST', ['people'], body));
  }

  async people() {
    return listOf(await this.#open.ask('GET', ['people']), 'people').map((told) => new Person(this.#open, told));
  }

  client(identity) {
    return new Client(this.#open, identity);
  }

  cutNetwork(identity) {
    return this.client(identity).cutNetwork();
  }

  restoreNetwork(identity) {
    return this.client(identity).restoreNetwork();
  }

  async token(identity, { applicationSid, ...others } = {}) {
    const body = given({ identity, application_sid: applicationSid, ...others });
    return (await this.#open.ask('POST', ['tokens'], body)).token;
  }

  async recorder(answer = {}) {
    return new Recorder(this.#open, await this.#open.ask('POST', ['endpoints'], endpointOf(answer)));
  }

  /** Where calls of clients ask for TwiML: a URL, or something with one. */
  async setVoiceUrl(url) {
    const target = typeof url === 'string' ? url : url.url;
    await this.rest('POST', `Applications/${this.applicationSid}.json`, { VoiceUrl: target });
  }

  rest(method, resource, fields) {
    return this.#open.rest(method, resource, fields);
  }

  /** What happened, for all of the account or for one call: `text` is for people, `entries` for programs. */
  async timeline(call) {
    const sid = typeof call === 'string' ? call : await sidOf(call);
    const query = sid ? `?${new URLSearchParams({ call: sid })}` : '';
    const { entries, text } = await this.#open.send('GET', `/control/v1/timeline${query}`, {});
    return { entries, text, toString: () => text };
  }

  /** Variables that lead a program and its helper libraries to this server; what is undefined is to be unset. */
  async env() {
    if (!this.#dataDir) throw new MidcallError('env needs the data folder: connect with { dataDir }');
    this.#environment ??= await askProgram(this.#command, this.#dataDir, 'exec', '--print-env', '--format', 'json');
    return Object.fromEntries(Object.entries(this.#environment).map(([name, value]) => [name, value ?? undefined]));
  }

  /** Flags with which Chromium finds this server where pages look for the vendor, and believes its certificate. */
  async chromiumFlags({ offline = false, fakeMicrophone = true } = {}) {
    if (!this.#dataDir) throw new MidcallError('chromiumFlags needs the data folder: connect with { dataDir }');
    const flags = await askProgram(this.#command, this.#dataDir, 'doctor', '--chromium', '--json');
    const chosen = flags.filter((flag) => !flag.startsWith('--user-data-dir')); // automation has profiles of its own
    const elsewhere = offline ? ', MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1' : '';
    const rules = '--host-resolver-rules=';
    return [
      ...chosen.map((flag) => (flag.startsWith(rules) ? flag + elsewhere : flag)),
      ...(fakeMicrophone ? MICROPHONE : []),
    ];
  }

  /** Everybody leaves: for the time between two tests. */
  async reset() {
    await this.#open.ask('DELETE', ['people']);
  }

  async stop() {
    this.#control = undefined;
    await this.#own?.stop();
  }

  async [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    await this.stop();
  }
}

const MICROPHONE = [
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required',
];

/** A call that was just placed gets its sid a moment later. */
async function sidOf(call) {
  if (!call) return undefined;
  return call.sid ?? (await call.refresh()).sid;
}

module.exports = { Switchboard };
