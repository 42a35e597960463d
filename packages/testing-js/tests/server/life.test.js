'use strict';
// Servers come and go with their tests, whatever becomes of these.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { Switchboard } = require('../../index.js');

const ROOT = path.join(__dirname, '..', '..');
const SETTINGS = { media_engine: 'none' };

/** Resolves once there is no such folder; the folder above tells when something changes. */
async function goneFolder(folder, signal) {
  const changes = fs.watch(path.dirname(folder));
  try {
    while (fs.existsSync(folder)) await once(changes, 'change', { signal });
  } finally {
    changes.close();
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function commandLine(pid) {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // it has ended
  }
}

function pidOf(dataDir) {
  return JSON.parse(fs.readFileSync(path.join(dataDir, 'server.json'), 'utf8')).pid;
}

test('one server', async (t) => {
  const switchboard = await Switchboard.start({ settings: SETTINGS, environment: { SECRET: 'nobody-may-know' } });
  const dataDir = path.dirname(path.dirname(switchboard.caFile));
  const pid = pidOf(dataDir);

  await t.test('is found by its data folder, and left alone by whoever found it', async () => {
    const other = await Switchboard.connect({ dataDir });
    assert.equal(other.httpUrl, switchboard.httpUrl);
    await other.stop();
    assert.ok(isAlive(pid));
  });

  await t.test('is reached with TLS as well, by whoever trusts its authority', async () => {
    const { httpsUrl: url, accountSid, authToken } = switchboard;
    const other = await Switchboard.connect({ url, accountSid, authToken, ca: fs.readFileSync(switchboard.caFile) });
    assert.deepEqual(await other.people(), []);
    await assert.rejects(Switchboard.connect({ url, accountSid, authToken }), /cannot be asked: .*certificate/);
    await assert.rejects(other.env(), /env needs the data folder/);
  });

  await t.test('has variables that lead to it, and unsets what would lead away', async () => {
    const env = await switchboard.env();
    assert.equal(env.TWILIO_ACCOUNT_SID, switchboard.accountSid);
    assert.equal(env.HTTP_PROXY, switchboard.httpUrl.replace('localhost', '127.0.0.1'));
    assert.ok('TWILIO_REGION' in env && env.TWILIO_REGION === undefined);
  });

  await t.test('has flags that lead Chromium to it, and nowhere else if asked', async () => {
    const flags = await switchboard.chromiumFlags({ offline: true, fakeMicrophone: false });
    assert.match(flags[0], /^--host-resolver-rules=MAP \*\.twilio\.com .*, MAP \* ~NOTFOUND, EXCLUDE localhost/);
    assert.ok(!flags.some((flag) => flag.startsWith('--user-data-dir') || flag.includes('fake')));
  });

  await t.test('has an environment that is nowhere to be read', () => {
    for (const other of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      assert.ok(!commandLine(other).includes('nobody-may-know'), other);
    }
  });

  await t.test('is stopped, and its folder is gone', async () => {
    await switchboard.stop();
    assert.ok(!isAlive(pid));
    assert.ok(!fs.existsSync(dataDir));
    await switchboard.stop(); // once more does no harm
  });
});

test('a runner that is killed leaves nothing behind', { timeout: 60_000 }, async ({ signal }) => {
  const script = `
    const { Switchboard } = require(${JSON.stringify(ROOT)});
    Switchboard.start({ settings: { media_engine: 'none' } }).then(({ caFile }) => console.log(caFile));
    setInterval(() => {}, 1000);`;
  const runner = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(runner.stdout, 'data');
  const dataDir = path.dirname(path.dirname(String(line).trim()));
  const pid = pidOf(dataDir);
  runner.kill('SIGKILL');
  await goneFolder(dataDir, signal);
  assert.ok(!isAlive(pid));
});

test('tests that forget to stop their server end all the same', { timeout: 60_000 }, async ({ signal }) => {
  const script = `
    const { Switchboard } = require(${JSON.stringify(ROOT)});
    Switchboard.start({ settings: { media_engine: 'none' } }).then(({ caFile }) => console.log(caFile));`;
  const runner = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(runner.stdout, 'data');
  const [code] = await once(runner, 'exit');
  assert.equal(code, 0);
  await goneFolder(path.dirname(path.dirname(String(line).trim())), signal);
});

test('a program that is missing is named, with what to do', async () => {
  const started = Switchboard.start({ command: '/nowhere/midcall' });
  await assert.rejects(started, (error) => {
    assert.match(error.message, /\/nowhere\/midcall could not be started/);
    assert.match(error.message, /Install it .* `command`, or MIDCALL/);
    return true;
  });
});

test('MIDCALL names the program where no option does', async () => {
  const before = process.env.MIDCALL;
  process.env.MIDCALL = '/elsewhere/midcall';
  try {
    await assert.rejects(Switchboard.start(), /\/elsewhere\/midcall could not be started/);
  } finally {
    if (before === undefined) delete process.env.MIDCALL;
    else process.env.MIDCALL = before;
  }
});

test('a server that refuses to start says why', async () => {
  await assert.rejects(Switchboard.start({ settings: { nonsense: 1 } }), (error) => {
    assert.match(error.message, /ended with status \d+ before it was ready/);
    assert.match(error.message, /unknown setting nonsense/);
    return true;
  });
});

test('an empty data folder has no server', async () => {
  await assert.rejects(Switchboard.connect({ dataDir: __dirname }), /no server|no credentials|midcall credentials/);
});
