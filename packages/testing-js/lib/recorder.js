'use strict';

const { given } = require('./actions.js');
const { listOf } = require('./person.js');

/** An HTTP endpoint at the server: `url` can be a voice URL or any callback; it keeps what it was asked. */
class Recorder {
  #control;
  #path;

  constructor(control, told) {
    this.#control = control;
    this.#path = ['endpoints', told.name];
    this.name = told.name;
    this.url = told.url;
  }

  /** Answer otherwise from now on. */
  async answer(answer) {
    await this.#control.ask('PUT', this.#path, endpointOf(answer));
  }

  async requests() {
    const answer = await this.#control.ask('GET', [...this.#path, 'requests']);
    return listOf(answer, 'requests').map(requestOf);
  }

  async expect(fields, options = {}) {
    const told = await this.#control.ask('POST', [...this.#path, 'expect'], given({ fields, ...options }));
    return requestOf(told);
  }

  async remove() {
    await this.#control.ask('DELETE', this.#path);
  }
}

function endpointOf({ behaviour, ...others } = {}) {
  return given({ ...others, behaviour: behaviour === undefined ? undefined : behaviourOf(behaviour) });
}

function behaviourOf(behaviour) {
  if (typeof behaviour === 'string') return NAMES[behaviour] ?? behaviour;
  return Object.fromEntries(Object.entries(behaviour).map(([name, value]) => [NAMES[name] ?? name, value]));
}

const NAMES = { closesBeforeBody: 'closes_before_body', doesNotRead: 'does_not_read' };

function requestOf({ signature_valid: signatureValid, ...told }) {
  return { ...told, signatureValid };
}

module.exports = { Recorder, endpointOf };
