'use strict';
// Starts, finds and asks the `midcall` program.

const { execFile, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const { promisify } = require('node:util');
const { MidcallError } = require('./errors.js');

const run = promisify(execFile);
const MISSING =
  'Install it (pip install midcall) so that it is in the PATH, or name the program: the option `command`, or MIDCALL in the environment';

/**
 * The program and its first arguments: an option beats MIDCALL beats the PATH.
 *
 * @param {string | string[] | undefined} command
 * @returns {string[]}
 */
function commandOf(command) {
  const chosen = command ?? process.env.MIDCALL ?? 'midcall';
  const words = Array.isArray(chosen) ? chosen : [chosen];
  if (words.length === 0 || words.some((word) => typeof word !== 'string' || word === '')) {
    throw new MidcallError(`command is to be a program or a list of words, not ${JSON.stringify(chosen)}`);
  }
  return words;
}

/** What the tests' own shell says about servers is not meant for this one. */
function serverEnvironment(extra) {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(MIDCALL|TWILIO|NODE_OPTIONS$)/.test(name));
  return { ...Object.fromEntries(inherited), ...extra };
}

/** A running `midcall serve` with a data folder of its own; both are gone after `stop`, or when this process ends. */
class OwnServer {
  /**
   * @param {{ command?: string | string[], settings?: Record<string, string | number | boolean>,
   *   args?: string[], environment?: Record<string, string>, startTimeout?: number }} [options] startTimeout in seconds
   * @returns {Promise<OwnServer>}
   */
  static async start({ command, settings = {}, args = [], environment = {}, startTimeout = 30 } = {}) {
    const words = commandOf(command);
    const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'midcall-testing-'));
    const set = Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
    const job = {
      command: words[0],
      args: [
        ...words.slice(1),
        'serve',
        ...['--port', '0', '--http-port', '0', '--data-dir', dataDir, '--mode', 'dev'],
        ...set,
        ...args,
      ],
      env: serverEnvironment(environment),
      dataDir,
      startTimeoutMs: startTimeout * 1000,
    };
    const keeper = spawn(process.execPath, [path.join(__dirname, 'keeper.js')], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: serverEnvironment({}),
      detached: true, // Ctrl-C is for the tests; the keeper ends after them
    });
    keeper.stdin.on('error', () => {}); // it has ended; its exit tells so
    keeper.stdin.write(`${JSON.stringify(job)}\n`);
    const exited = once(keeper, 'exit');
    const lines = readline.createInterface({ input: keeper.stdout });
    const [line] = await Promise.race([once(lines, 'line'), exited.then(() => [undefined])]);
    const told = line === undefined ? { error: 'could not be started: its keeper ended' } : JSON.parse(line);
    if (!told.server) {
      await exited; // with it, the data folder has gone
      const log = (told.log ?? []).map((text) => `\n  ${text}`).join('');
      throw new MidcallError(`${words.join(' ')} ${told.error}. ${told.missing ? MISSING : ''}${log}`.trim());
    }
    // Tests that forget to stop it may end all the same.
    for (const handle of [keeper, keeper.stdin, keeper.stdout]) handle.unref();
    return new OwnServer(words, dataDir, told.server, keeper);
  }

  constructor(command, dataDir, info, keeper) {
    this.command = command;
    this.dataDir = dataDir;
    this.info = info;
    this.keeper = keeper;
  }

  /** Ends the server and removes its data folder. */
  async stop() {
    if (this.keeper.exitCode !== null || this.keeper.signalCode !== null) return;
    this.keeper.ref();
    const exited = once(this.keeper, 'exit');
    this.keeper.stdin.end();
    await exited;
  }
}

/** What a command of the program prints as JSON about the server of a data folder. */
async function askProgram(command, dataDir, ...words) {
  try {
    const { stdout } = await run(command[0], [...command.slice(1), ...words, '--data-dir', dataDir], {
      env: serverEnvironment({}),
    });
    return JSON.parse(stdout);
  } catch (error) {
    if (error.code === 'ENOENT') throw new MidcallError(`${command[0]} was not found. ${MISSING}`, { cause: error });
    const said = String(error.stderr ?? '').trim();
    throw new MidcallError(`midcall ${words.join(' ')} failed: ${said || error.message}`, { cause: error });
  }
}

module.exports = { OwnServer, askProgram, commandOf };
