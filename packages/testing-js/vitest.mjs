// For Vitest: a switchboard for the tests of a file, and the timeline below what fails.
import { afterAll, afterEach, beforeAll, vi } from 'vitest';
import report from './lib/report.js';
import kit from './lib/switchboard.js';

const TEST_TIMEOUT_S = 30;
const START_TIMEOUT_MS = 60_000;

/** @param {import('./vitest.mjs').SetUpOptions} [options] */
export function setUpSwitchboard({ testTimeout = TEST_TIMEOUT_S, ...options } = {}) {
  const switchboard = new kit.Switchboard(options);
  vi.setConfig({ testTimeout: testTimeout * 1000 });
  beforeAll(async () => {
    await switchboard.open();
  }, START_TIMEOUT_MS);
  afterEach(async ({ task }) => {
    const { state, errors } = task.result ?? {};
    if (state === 'fail') await report.addTimeline(switchboard, errors ?? []);
    if (switchboard.isOpen) await switchboard.reset();
  });
  afterAll(() => switchboard.stop(), START_TIMEOUT_MS);
  return switchboard;
}
