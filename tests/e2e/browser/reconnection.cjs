// Plays scenarios to the browser SDK's own transport, on a clock of our own, and tells when it connected where.
// stdin: [{uris, limit_ms, draws, steps}]; stdout: for each scenario [[wait in ms, uri], ...]
"use strict";

const SDK = require("node:path").join(__dirname, "node_modules/@twilio/voice-sdk/es5/twilio/wstransport.js");

let now = 1_000_000;
let timers = [];
let draws = [];
let serial = 0;
Date.now = () => now;
Math.random = () => draws.shift();
globalThis.setTimeout = (call, delay = 0) => {
  const timer = { id: ++serial, at: now + Math.trunc(delay), call };
  timers.push(timer);
  return timer.id;
};
globalThis.clearTimeout = (id) => { timers = timers.filter((timer) => timer.id !== id); };

class Socket {
  static CONNECTING = 0; static OPEN = 1; static CLOSED = 3;
  constructor(uri) {
    this.uri = uri; this.readyState = 0; this.listeners = {};
    Socket.newest = this;
    Socket.made.push([now, uri]);
  }
  addEventListener(name, listener) { this.listeners[name] = listener; }
  removeEventListener(name) { delete this.listeners[name]; }
  happen(name, event) { this.listeners[name]?.(event); }
  send() {}
  close() { this.readyState = 3; }
}
globalThis.WebSocket = Socket;
const WSTransport = require(SDK).default;

function runUntil(done) {
  while (!done()) {
    timers.sort((one, other) => one.at - other.at || one.id - other.id);
    const timer = timers.shift();
    now = Math.max(now, timer.at);
    timer.call();
  }
}

function play({ uris, limit_ms, draws: drawn, steps }) {
  timers = []; draws = drawn; Socket.made = [];
  const transport = new WSTransport(uris, { maxPreferredDurationMs: limit_ms });
  transport.on("error", () => {});
  transport.open();
  const told = [];
  for (const step of steps) {
    const [what, value] = step;
    if (what === "open") { Socket.newest.readyState = 1; Socket.newest.happen("open"); continue; }
    if (what === "stay") { const until = now + value; timers.push({ id: ++serial, at: until, call() {} }); Socket.newest.happen("message", { data: "\n" });
      while (now < until) { now = Math.min(until, now + 5000); Socket.newest.happen("message", { data: "\n" }); } continue; }
    if (what === "prefer") { transport.updatePreferredURI(value); continue; }
    if (what === "retryAfter") {
      Socket.newest.happen("message", { data: JSON.stringify({ type: "error", payload: { error: { code: 31902, retryAfter: value } } }) });
      continue;
    }
    const before = Socket.made.length;
    const socket = Socket.newest;
    let lostAt = null;
    transport.once("close", () => { lostAt = now; });
    if (what === "close") { socket.readyState = 3; socket.happen("close", { code: value }); }
    if (what === "timeout" || what === "silence") runUntil(() => lostAt !== null);
    if (step[2] === "unprefer") transport.updatePreferredURI(null);
    runUntil(() => Socket.made.length > before);
    told.push([Socket.made.at(-1)[0] - lostAt, Socket.made.at(-1)[1]]);
  }
  return told;
}

let input = "";
process.stdin.on("data", (data) => { input += data; });
process.stdin.on("end", () => process.stdout.write(JSON.stringify(JSON.parse(input).map(play))));
