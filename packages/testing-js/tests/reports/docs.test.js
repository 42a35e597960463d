'use strict';
// What the how-to tells people to write runs as it is printed.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');

const ROOT = path.join(__dirname, '..', '..');
const PAGE = path.join(ROOT, '..', '..', 'docs', 'howto', 'test-with-javascript.md');
const BIN = path.join(ROOT, 'node_modules', '.bin');

let folder;
before(() => {
  folder = fs.mkdtempSync(path.join(ROOT, 'tests', 'printed-')); // inside, so that the package finds itself by its name
  const config = { ...require('../playwright/playwright.config.js'), testDir: '.', outputDir: 'results' };
  fs.writeFileSync(path.join(folder, 'playwright.config.mjs'), `export default ${JSON.stringify(config)};`);
  fs.writeFileSync(
    path.join(folder, 'vitest.config.mjs'),
    `export default { test: { root: ${JSON.stringify(folder)} } };`,
  );
});
after(() => fs.rmSync(folder, { recursive: true }));

/** The block with that mark. */
function printed(mark) {
  const found = fs.readFileSync(PAGE, 'utf8').match(new RegExp(`^\`\`\`js ${mark}\\n([\\s\\S]*?)^\`\`\`$`, 'm'));
  assert.ok(found, `no block is marked ${mark}`);
  return found[1];
}

for (const [mark, file, ...command] of [
  ['vitest', 'printed.test.mjs', path.join(BIN, 'vitest'), 'run', '--config', 'vitest.config.mjs'],
  [
    'playwright',
    'printed.spec.mjs',
    path.join(BIN, 'playwright'),
    'test',
    '--config',
    'playwright.config.mjs',
    'printed.spec',
  ],
  ['run-with-node', 'printed.mjs', process.execPath, 'printed.mjs'],
]) {
  test(`the block for ${mark} runs`, () => {
    fs.writeFileSync(path.join(folder, file), printed(mark));
    const { NODE_TEST_CONTEXT, ...env } = process.env;
    const done = spawnSync(command[0], command.slice(1), { cwd: folder, env, encoding: 'utf8' });
    assert.equal(done.status, 0, `${done.stdout}${done.stderr}`);
  });
}
