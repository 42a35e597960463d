'use strict';

const { Actions, given } = require('./actions.js');
const { Call } = require('./call.js');
const { Client } = require('./client.js');

/** Somebody with a client or a phone. What it does in a call, it does in its current one. */
class Person extends Actions {
  #control;
  #path;

  constructor(control, told) {
    super(control, ['people', told.name, 'calls', 'current']);
    this.#control = control;
    this.#path = ['people', told.name];
    this.name = told.name;
    this.identity = told.identity ?? null;
    this.number = told.number ?? null;
    /** The signalling of this person's client. */
    this.client = new Client(control, told.identity ?? told.name);
  }

  async call(to, options = {}) {
    const body = given({ to: addressOf(to), ...options });
    return new Call(this.#control, await this.#control.ask('POST', [...this.#path, 'calls'], body));
  }

  async incoming(options = {}) {
    return new Call(this.#control, await this.#control.ask('POST', [...this.#path, 'incoming'], given(options)));
  }

  async calls() {
    const answer = await this.#control.ask('GET', [...this.#path, 'calls']);
    return listOf(answer, 'calls').map((told) => new Call(this.#control, told));
  }

  async currentCall() {
    return new Call(this.#control, await this.#control.ask('GET', [...this.#path, 'calls', 'current']));
  }

  async onCall(steps) {
    await this.#control.ask('PUT', [...this.#path, 'on_call'], steps);
  }

  async expectEnd(options = {}) {
    return new Call(this.#control, await this.act('expect_end', given(options)));
  }

  cutNetwork() {
    return this.client.cutNetwork();
  }

  restoreNetwork() {
    return this.client.restoreNetwork();
  }

  async remove() {
    await this.#control.ask('DELETE', this.#path);
  }
}

function addressOf(to) {
  return to instanceof Person ? (to.number ?? to.identity) : to;
}

/** Lists come alone or below their name. */
function listOf(answer, name) {
  return Array.isArray(answer) ? answer : answer[name];
}

module.exports = { Person, addressOf, listOf };
