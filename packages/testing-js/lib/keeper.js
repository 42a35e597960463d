'use strict';
// A program between the tests and their server. It starts `midcall serve`, says where it is, and ends it when its own
// standard input ends: that happens however the tests end, also when a runner kills its worker.
//
// The first line there is JSON: { command, args, env, dataDir, startTimeoutMs }; as an argument, everybody on the machine
// could read it. It prints one line of JSON: { server } once the server is ready, or { error }.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');

const POLL_MS = 20;
const LOG_LINES = 30;
const PATIENCE_MS = 10_000;

const log = [];
let dataDir;
let child;
let ended;
let ending = false;

function start({ command, args, env }) {
  child = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  ended = new Promise((resolve) => {
    child.once('error', (error) => resolve({ error }));
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text) => {
    log.push(...text.split('\n').filter(Boolean));
    log.splice(0, Math.max(0, log.length - LOG_LINES));
  });
}

function say(told) {
  process.stdout.write(`${JSON.stringify(told)}\n`);
}

function readServer() {
  try {
    return JSON.parse(fs.readFileSync(path.join(dataDir, 'server.json'), 'utf8'));
  } catch {
    return undefined; // not there yet, or no longer
  }
}

/** The server that wrote the file may be a child of the command: scripts around it are welcome. */
function signal(name) {
  const pids = new Set([readServer()?.pid]);
  if (child?.exitCode === null && child.signalCode === null) pids.add(child.pid);
  else pids.delete(child?.pid);
  for (const pid of pids) {
    try {
      if (pid) process.kill(pid, name);
    } catch {
      // it has ended by itself
    }
  }
}

async function end() {
  if (ending) return;
  ending = true;
  signal('SIGTERM');
  const timer = setTimeout(() => signal('SIGKILL'), PATIENCE_MS);
  await ended;
  clearTimeout(timer);
  if (dataDir) fs.rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
  process.exit(0);
}

async function watch(startTimeoutMs) {
  const told = new Promise((resolve) => {
    const begun = Date.now();
    const timer = setInterval(() => {
      const found = readServer();
      if (!found && Date.now() - begun < startTimeoutMs) return;
      clearInterval(timer);
      resolve(found ? { server: found } : { error: `was not ready within ${startTimeoutMs / 1000} s` });
    }, POLL_MS);
    ended.then(({ error, code, signal: name }) => {
      clearInterval(timer);
      if (error) resolve({ error: `could not be started: ${error.message}`, missing: error.code === 'ENOENT' });
      else resolve({ error: `ended ${name ? `by ${name}` : `with status ${code}`} before it was ready` });
    });
  });
  const result = await told;
  say(result.server ? result : { ...result, log });
  if (!result.server) await end();
}

const input = readline.createInterface({ input: process.stdin });
input.once('line', (line) => {
  const job = JSON.parse(line);
  dataDir = job.dataDir;
  start(job);
  watch(job.startTimeoutMs);
});
input.once('close', end);
for (const name of ['SIGINT', 'SIGHUP']) process.on(name, () => {});
process.on('SIGTERM', end);
process.stdout.on('error', () => {}); // nobody listens any more; standard input says the same
