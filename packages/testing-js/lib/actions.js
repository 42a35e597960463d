'use strict';
// What a person does in a call and expects of it. A Call does it in that call; a Person in the current one.

const fs = require('node:fs/promises');
const path = require('node:path');

class Actions {
  #control;
  #path;

  /**
   * @param {import('./control.js').Control} control
   * @param {string[]} callPath path of the call in the control API
   */
  constructor(control, callPath) {
    this.#control = control;
    this.#path = callPath;
  }

  /** An action by its name in the control API, with a body in its spelling. */
  act(action, body = {}) {
    return this.#control.ask('POST', [...this.#path, action], body);
  }

  async accept() {
    await this.act('accept');
  }

  async reject() {
    await this.act('reject');
  }

  async ignore() {
    await this.act('ignore');
  }

  async hangUp() {
    await this.act('hang_up');
  }

  async mute(on = true) {
    await this.act('mute', { on });
  }

  async speak(sound) {
    await this.act('speak', await spoken(sound));
  }

  async stopSpeaking() {
    await this.act('stop_speaking');
  }

  async hears(sound, options = {}) {
    await this.act('expect_sound', { ...heard(sound), ...given(options) });
  }

  async sendDigits(digits) {
    await this.act('send_digits', { digits });
  }

  async expectDigits(digits, options = {}) {
    await this.act('expect_digits', { digits, ...given(options) });
  }

  sendMessage(content, { messageType, contentType, ...others } = {}) {
    return this.act('send_message', {
      content,
      ...given({ message_type: messageType, content_type: contentType, ...others }),
    });
  }

  expectMessage(content, options = {}) {
    return this.act('expect_message', given({ content, ...options }));
  }

  async expect(what, options = {}) {
    const body = typeof what === 'string' ? { event: what } : given({ ...what });
    await this.act('expect', { ...body, ...given(options) });
  }

  async saysNothingFor(duration) {
    await this.act('says_nothing_for', { for: duration });
  }

  async hearsNothingFor(duration) {
    await this.act('hears_nothing_for', { for: duration });
  }

  async feedback(score, issue) {
    await this.act('feedback', given({ score, issue }));
  }

  async misbehave(how, options = {}) {
    await this.act('misbehave', { how, ...given(options) });
  }
}

/** Without the keys that nobody gave. Keys that nobody knows go to the server, which refuses them by name. */
function given(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

async function spoken(sound) {
  if (typeof sound === 'string') return { label: sound };
  const { toneHz, levelDbfs, file, wav, ...others } = sound ?? {};
  const body = given({ tone_hz: toneHz, level_dbfs: levelDbfs, ...others });
  if (file !== undefined) {
    const bytes = wav ?? (await fs.readFile(file));
    Object.assign(body, { file: path.basename(file), wav: Buffer.from(bytes).toString('base64') });
  }
  return body;
}

function heard(sound) {
  if (typeof sound === 'string') return { label: sound };
  const { toneHz, levelAboveDbfs, ...others } = sound ?? {};
  return given({ tone_hz: toneHz, level_above_dbfs: levelAboveDbfs, ...others });
}

module.exports = { Actions, given };
