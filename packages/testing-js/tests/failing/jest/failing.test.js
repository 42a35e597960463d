'use strict';
// Fails on purpose; tests/reports looks at what is told then.

const { setUpSwitchboard } = require('@midcall/testing/jest');

const switchboard = setUpSwitchboard({ settings: { media_engine: 'none' } });

test('alice is two', async () => {
  await switchboard.person('alice');
  expect(1).toBe(2);
});
