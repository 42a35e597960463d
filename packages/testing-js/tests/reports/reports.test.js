'use strict';
// A test that fails in one of the runners shows the timeline, also when the kit had no part in the failure.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');

const ROOT = path.join(__dirname, '..', '..');

function run(...words) {
  const { NODE_TEST_CONTEXT, ...env } = process.env;
  const program = path.join(ROOT, 'node_modules', '.bin', words[0]);
  const done = spawnSync(program, words.slice(1), { cwd: ROOT, env: { ...env, NO_COLOR: '1' }, encoding: 'utf8' });
  return { ...done, output: `${done.stdout}${done.stderr}` };
}

const commands = [
  ['jest', '--config', 'tests/failing/jest/jest.config.js'],
  ['vitest', 'run', '--config', 'tests/failing/vitest/vitest.config.mjs'],
  ['playwright', 'test', '--config', 'tests/failing/playwright/playwright.config.js'],
];

for (const command of commands) {
  test(`${command[0]} shows what happened below a failure`, () => {
    const { status, output } = run(...command);
    assert.equal(status, 1, output);
    // Not only in an attachment, which some reporters cut short.
    assert.match(output, /(Received: 1|expected 1 to be 2 .*)\s+Timeline:\n.*alice +registered/, output);
  });
}
