'use strict';
// Each method asks the control API in the control API's words.

const assert = require('node:assert/strict');
const { mkdtemp, rm, writeFile } = require('node:fs/promises');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { Person } = require('../../index.js');
const { Fake } = require('./fake.js');

const CALL = {
  id: 'alice-1',
  person: 'alice',
  sid: 'CA1',
  direction: 'outgoing',
  status: 'pending',
  from: 'client:alice',
  to: 'client:bob',
  parameters: { CallSid: 'CA1' },
  custom_parameters: { order_number: '7' },
};
const BASE = '/control/v1/people/alice';

let fake;
let switchboard;
let alice;
let call;

before(async () => {
  fake = await new Fake().start();
  fake.answer('POST', '/control/v1/people', { body: { name: 'alice', identity: 'alice', number: null } });
  fake.answer('POST', `${BASE}/calls`, { body: CALL });
  fake.answer('GET', `${BASE}/calls/alice-1`, { body: { ...CALL, status: 'open' } });
  fake.answer('POST', `${BASE}/calls/alice-1/expect_end`, { body: { ...CALL, status: 'closed', ended_by: 'cancel' } });
  fake.answer('POST', `${BASE}/incoming`, { body: { ...CALL, direction: 'incoming' } });
  fake.answer('POST', '/control/v1/tokens', { body: { token: 'eyJ' } });
  fake.answer('POST', '/control/v1/endpoints', { body: { name: 'desk', url: `${fake.url}/desk` } });
  fake.answer('POST', '/control/v1/endpoints/desk/expect', { body: { method: 'POST', signature_valid: true } });
  fake.answer('GET', '/control/v1/timeline?call=CA1', { body: { entries: [{ at: 0 }], text: 'alice calls\n' } });
  switchboard = await fake.switchboard();
  alice = await switchboard.person('alice');
  call = await alice.call('bob');
});
after(() => fake.stop());

const actions = [
  ['accept', [], 'accept', {}],
  ['reject', [], 'reject', {}],
  ['ignore', [], 'ignore', {}],
  ['hangUp', [], 'hang_up', {}],
  ['mute', [], 'mute', { on: true }],
  ['mute', [false], 'mute', { on: false }],
  ['speak', ['hello'], 'speak', { label: 'hello' }],
  ['speak', [{ toneHz: 440, levelDbfs: -20, for: '2s' }], 'speak', { tone_hz: 440, level_dbfs: -20, for: '2s' }],
  ['stopSpeaking', [], 'stop_speaking', {}],
  ['hears', ['hello', { timeout: '3s' }], 'expect_sound', { label: 'hello', timeout: '3s' }],
  ['hears', [{ toneHz: 440 }], 'expect_sound', { tone_hz: 440 }],
  ['hears', [{ levelAboveDbfs: -40 }], 'expect_sound', { level_above_dbfs: -40 }],
  ['sendDigits', ['1w#'], 'send_digits', { digits: '1w#' }],
  ['expectDigits', ['1#', { timeout: 2 }], 'expect_digits', { digits: '1#', timeout: 2 }],
  ['sendMessage', [{ camelCase: [1] }], 'send_message', { content: { camelCase: [1] } }],
  [
    'sendMessage',
    [null, { messageType: 'user-defined-message', contentType: 'application/json', wait: false }],
    'send_message',
    { content: null, message_type: 'user-defined-message', content_type: 'application/json', wait: false },
  ],
  ['expectMessage', [], 'expect_message', {}],
  ['expectMessage', [{ table: 7 }, { timeout: '1m' }], 'expect_message', { content: { table: 7 }, timeout: '1m' }],
  ['expect', ['ringing'], 'expect', { event: 'ringing' }],
  ['expect', [{ status: 'open' }, { timeout: 1 }], 'expect', { status: 'open', timeout: 1 }],
  ['expectEnd', [{ timeout: 4 }], 'expect_end', { timeout: 4 }],
  ['saysNothingFor', ['5s'], 'says_nothing_for', { for: '5s' }],
  ['hearsNothingFor', [5], 'hears_nothing_for', { for: 5 }],
  ['feedback', [4, 'audio-latency'], 'feedback', { score: 4, issue: 'audio-latency' }],
  ['misbehave', ['late_hang_up', { by: '2s' }], 'misbehave', { how: 'late_hang_up', by: '2s' }],
  // What has been forgotten or misspelt is for the server to refuse, by its name.
  ['speak', [], 'speak', {}],
  ['speak', [{ tonehz: 440 }], 'speak', { tonehz: 440 }],
  ['hears', [], 'expect_sound', {}],
  ['expect', [], 'expect', {}],
  ['expect', [{ state: 'open' }], 'expect', { state: 'open' }],
  ['expectMessage', [{ table: 7 }, { timeOut: '1m' }], 'expect_message', { content: { table: 7 }, timeOut: '1m' }],
];

test('a client without an identity is nobody', () => {
  assert.throws(() => switchboard.cutNetwork(), /a client is named by its identity, not by undefined/);
});

for (const [method, args, action, body] of actions) {
  test(`${method}(${args.map((arg) => JSON.stringify(arg)).join(', ')}) of a call is ${action}`, async () => {
    await call[method](...args);
    assert.deepEqual(fake.last, { method: 'POST', path: `${BASE}/calls/alice-1/${action}`, body });
  });
}

test('a person acts in the current call', async () => {
  await alice.saysNothingFor('5s');
  assert.deepEqual(fake.last, {
    method: 'POST',
    path: `${BASE}/calls/current/says_nothing_for`,
    body: { for: '5s' },
  });
});

test('a file is read and sent', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'midcall-words-'));
  await writeFile(path.join(folder, 'hello.wav'), 'RIFF');
  await call.speak({ file: path.join(folder, 'hello.wav') });
  await rm(folder, { recursive: true });
  assert.deepEqual(fake.last.body, { file: 'hello.wav', wav: Buffer.from('RIFF').toString('base64') });
});

test('fields of a call have the names of JavaScript, and those of the app keep theirs', async () => {
  const incoming = await alice.incoming();
  assert.deepEqual(incoming.customParameters, { order_number: '7' });
  assert.equal(incoming.endedBy, null);
  await incoming.expectEnd();
  assert.deepEqual([incoming.status, incoming.endedBy], ['closed', 'cancel']);
  await incoming.refresh();
  assert.equal(incoming.status, 'open');
});

test('somebody can be called as a person, by number before identity', async () => {
  const control = {};
  const phone = new Person(control, { name: 'carol', identity: 'carol', number: '+15550100' });
  await alice.call(phone, { params: { order: '7' }, script: [{ hang_up: {} }] });
  assert.deepEqual(fake.last.body, { to: '+15550100', params: { order: '7' }, script: [{ hang_up: {} }] });
});

test('people are made with what was said about them only', async () => {
  await switchboard.person('alice', { number: '+15550101', onCall: [{ answer: {} }] });
  assert.deepEqual(fake.last.body, { name: 'alice', number: '+15550101', on_call: [{ answer: {} }] });
});

test('faults and the network are of any client', async () => {
  await switchboard.client('agent').setFaults({ direction: 'toClient', type: 'message', fault: 'delay', by: '2s' });
  assert.deepEqual(fake.last, {
    method: 'PUT',
    path: '/control/v1/clients/agent/faults',
    body: [{ direction: 'to_client', type: 'message', fault: 'delay', by: '2s' }],
  });
  await alice.restoreNetwork();
  assert.deepEqual(fake.last, {
    method: 'PUT',
    path: '/control/v1/clients/alice/network',
    body: { state: 'restored' },
  });
});

test('a recorder misbehaves by its names here', async () => {
  const recorder = await switchboard.recorder({ behaviour: { closesBeforeBody: true, times: 2 } });
  assert.deepEqual(fake.last.body, { behaviour: { closes_before_body: true, times: 2 } });
  const request = await recorder.expect({ CallSid: 'CA1' }, { timeout: 1 });
  assert.deepEqual(fake.last.body, { fields: { CallSid: 'CA1' }, timeout: 1 });
  assert.equal(request.signatureValid, true);
  await switchboard.setVoiceUrl(recorder);
  assert.equal(fake.last.path, '/2010-04-01/Accounts/AC1/Applications/AP1.json');
  assert.equal(fake.last.body, new URLSearchParams({ VoiceUrl: recorder.url }).toString());
});

test('tokens and timelines', async () => {
  assert.equal(await switchboard.token('agent', { ttl: '1h', applicationSid: 'AP2' }), 'eyJ');
  assert.deepEqual(fake.last.body, { identity: 'agent', ttl: '1h', application_sid: 'AP2' });
  assert.equal(`${await switchboard.timeline(call)}`, 'alice calls\n');
});
