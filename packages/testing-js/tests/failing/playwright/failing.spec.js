'use strict';
// Fails on purpose; tests/reports looks at what is told then.

const base = require('@playwright/test');
const { withSwitchboard } = require('@midcall/testing/playwright');

const test = withSwitchboard(base.test, { settings: { media_engine: 'none' } });

test('alice is two', async ({ switchboard }) => {
  await switchboard.person('alice');
  base.expect(1).toBe(2);
});
