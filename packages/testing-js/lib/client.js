'use strict';
// Any client of the server by its identity, a browser as well as a person: its network and its faults.

const { MidcallError } = require('./errors.js');

class Client {
  #control;

  constructor(control, identity) {
    if (typeof identity !== 'string') throw new MidcallError(`a client is named by its identity, not by ${identity}`);
    this.#control = control;
    this.identity = identity;
  }

  async cutNetwork() {
    await this.#network('cut');
  }

  async restoreNetwork() {
    await this.#network('restored');
  }

  async setFaults(...faults) {
    const list = faults.map(({ direction, ...rest }) => ({ ...rest, direction: DIRECTIONS[direction] ?? direction }));
    await this.#control.ask('PUT', ['clients', this.identity, 'faults'], list);
  }

  async clearFaults() {
    await this.#control.ask('DELETE', ['clients', this.identity, 'faults']);
  }

  #network(state) {
    return this.#control.ask('PUT', ['clients', this.identity, 'network'], { state });
  }
}

const DIRECTIONS = { fromClient: 'from_client', toClient: 'to_client' };

module.exports = { Client };
