'use strict';

const { Actions, given } = require('./actions.js');

/** One side of a call: what one person sees of it. Its fields are as of the last answer; `refresh()` asks again. */
class Call extends Actions {
  #control;
  #path;

  constructor(control, told) {
    const path = ['people', told.person, 'calls', told.id];
    super(control, path);
    this.#control = control;
    this.#path = path;
    this.#take(told);
  }

  /** Most actions are answered with the call as it is then. */
  async act(action, body) {
    const answer = await super.act(action, body);
    if (answer?.id === this.id && answer.person === this.person) this.#take(answer);
    return answer;
  }

  async refresh() {
    this.#take(await this.#control.ask('GET', this.#path));
    return this;
  }

  async expectEnd(options = {}) {
    await this.act('expect_end', given(options));
    return this;
  }

  #take(told) {
    this.id = told.id;
    this.person = told.person;
    this.sid = told.sid ?? null;
    this.direction = told.direction;
    this.status = told.status;
    this.from = told.from ?? null;
    this.to = told.to ?? null;
    this.parameters = told.parameters ?? {};
    this.customParameters = told.custom_parameters ?? {};
    this.endedBy = told.ended_by ?? null;
    this.error = told.error ?? null;
  }
}

module.exports = { Call };
