// Fails on purpose; tests/reports looks at what is told then.
import { setUpSwitchboard } from '@midcall/testing/vitest';
import { expect, test } from 'vitest';

const switchboard = setUpSwitchboard({ settings: { media_engine: 'none' } });

test('alice is two', async () => {
  await switchboard.person('alice');
  expect(1).toBe(2);
});
