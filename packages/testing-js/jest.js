'use strict';
// For Jest: a switchboard for the tests of a file, and the timeline below what fails.

const { addTimeline } = require('./lib/report.js');
const { Switchboard } = require('./lib/switchboard.js');

const TEST_TIMEOUT_S = 30;
const START_TIMEOUT_MS = 60_000;

/** @param {import('./jest.js').SetUpOptions} [options] */
function setUpSwitchboard({ testTimeout = TEST_TIMEOUT_S, ...options } = {}) {
  const { afterAll, afterEach, beforeAll, jest } = globals();
  const switchboard = new Switchboard(options);
  jest.setTimeout(testTimeout * 1000);
  beforeAll(() => switchboard.open(), START_TIMEOUT_MS);
  afterEach(() => switchboard.isOpen && switchboard.reset());
  afterAll(() => switchboard.stop(), START_TIMEOUT_MS);
  onFailure((error) => addTimeline(switchboard, [error]));
  return switchboard;
}

function globals() {
  // Each module of a test gets its own `jest`; the rest is global, unless injectGlobals is off.
  const { afterAll, afterEach, beforeAll } = globalThis.beforeAll ? globalThis : require('@jest/globals');
  return { afterAll, afterEach, beforeAll, jest: typeof jest === 'undefined' ? require('@jest/globals').jest : jest };
}

/**
 * Jest tells a failure to handlers of its runner only, which a test file reaches through this symbol (jest-circus,
 * `addEventHandler`); another runner has none, and the timeline is then missing from errors that are not the kit's own.
 */
function onFailure(tell) {
  const handlers = globalThis[Symbol.for('EVENT_HANDLERS')];
  handlers?.push(async (event) => {
    if (event.name === 'test_fn_failure') await tell(event.error);
  });
}

module.exports = { setUpSwitchboard };
