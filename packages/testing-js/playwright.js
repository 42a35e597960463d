'use strict';
// For Playwright Test: a switchboard for each worker, a Chromium that finds it, and the timeline in a failing test's report.

const { addTimeline, timelineText } = require('./lib/report.js');
const { Switchboard } = require('./lib/switchboard.js');

/**
 * Your `test` with the fixture `switchboard`. It is given, not imported: there must be one Playwright only.
 *
 * @param {any} test
 * @param {import('./playwright.js').SwitchboardOptions} [options]
 */
function withSwitchboard(test, { offline = false, fakeMicrophone = true, onStart, ...options } = {}) {
  return test.extend({
    workerSwitchboard: [
      // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of fixtures from this pattern
      async ({}, use) => {
        const switchboard = await new Switchboard(options).open();
        try {
          const stop = await onStart?.(switchboard);
          try {
            await use(switchboard);
          } finally {
            await stop?.();
          }
        } finally {
          await switchboard.stop();
        }
      },
      { scope: 'worker', timeout: 60_000 },
    ],
    launchOptions: [
      async ({ launchOptions, workerSwitchboard }, use) => {
        const flags = await workerSwitchboard.chromiumFlags({ offline, fakeMicrophone });
        await use({ ...launchOptions, args: [...(launchOptions.args ?? []), ...flags] });
      },
      { scope: 'worker' },
    ],
    switchboard: [
      async ({ workerSwitchboard }, use, testInfo) => {
        await use(workerSwitchboard);
        if (testInfo.status !== testInfo.expectedStatus) {
          const body = await timelineText(workerSwitchboard);
          await testInfo.attach('midcall timeline', { body, contentType: 'text/plain' });
          await addTimeline(workerSwitchboard, testInfo.errors); // reports on a terminal cut attachments short
        }
        await workerSwitchboard.reset();
      },
      { auto: true },
    ],
  });
}

module.exports = { withSwitchboard };
