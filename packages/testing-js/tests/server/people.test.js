'use strict';
// Every word of the kit, said to a real server.

const assert = require('node:assert/strict');
const { after, afterEach, before, test } = require('node:test');
const { ExpectationError, MidcallError, Switchboard } = require('../../index.js');

const BOB = '<Response><Dial answerOnBridge="true"><Client>bob</Client></Dial></Response>';

let switchboard;
let voice;

before(async () => {
  switchboard = await Switchboard.start({ settings: { media_engine: 'none' } });
  voice = await switchboard.recorder({ name: 'voice', twiml: BOB });
  await switchboard.setVoiceUrl(voice);
});
afterEach(async () => {
  await switchboard.reset();
  await voice.answer({ twiml: BOB, behaviour: 'ok' });
});
after(() => switchboard.stop());

/** A WAV file of a tenth of a second. */
function silence() {
  const samples = Buffer.alloc(1600);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + samples.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20); // PCM
  head.writeUInt16LE(1, 22); // mono
  head.writeUInt32LE(8000, 24);
  head.writeUInt32LE(16_000, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(samples.length, 40);
  return Buffer.concat([head, samples]);
}

/** Alice has called bob; both sides. */
async function aCall({ answered = true } = {}) {
  const [alice, bob] = [await switchboard.person('alice'), await switchboard.person('bob')];
  const call = await alice.call('bob');
  const incoming = await bob.incoming();
  if (answered) {
    await incoming.accept();
    await call.expect({ status: 'open' });
  }
  return { alice, bob, call, incoming };
}

test('a switchboard knows its server', () => {
  assert.match(switchboard.accountSid, /^AC[0-9a-f]{32}$/);
  assert.match(switchboard.applicationSid, /^AP[0-9a-f]{32}$/);
  assert.match(switchboard.signalingHost, /^localhost:\d+$/);
  assert.deepEqual([switchboard.media, switchboard.time], ['none', 'real']);
});

test('a call can be rejected', async () => {
  const { call, incoming } = await aCall({ answered: false });
  await incoming.reject();
  assert.equal(incoming.endedBy, 'reject');
  assert.equal((await call.expectEnd()).status, 'closed');
});

test('a call can be ignored, and the caller gives up', async () => {
  const { call, incoming } = await aCall({ answered: false });
  await incoming.ignore();
  await call.hangUp();
  await call.expectEnd();
  assert.equal(call.endedBy, 'hang_up');
});

test('what is over cannot be accepted', async () => {
  const { call, incoming } = await aCall();
  await call.hangUp();
  await incoming.expectEnd();
  await assert.rejects(incoming.accept(), (error) => {
    assert.ok(!(error instanceof ExpectationError) && error instanceof MidcallError);
    assert.equal(error.status, 409);
    return true;
  });
});

test('who is muted is not heard', async () => {
  const { alice, bob, call } = await aCall();
  await call.mute();
  const quiet = bob.hearsNothingFor('100ms');
  await alice.speak('hello');
  await quiet;
  await call.mute(false);
  await alice.speak('hello again');
  await bob.hears('hello again');
});

test('somebody who was to be quiet and is not fails', async () => {
  const { alice, bob } = await aCall();
  const failed = assert.rejects(alice.saysNothingFor('2s'), ExpectationError);
  await alice.speak('well');
  await failed;
  await bob.hears('well');
});

test('a tone is a word without media', async () => {
  const { alice, bob, call } = await aCall();
  await call.speak({ toneHz: 440, for: '1s' });
  await bob.hears({ toneHz: 440 });
  await alice.stopSpeaking();
});

test('a file is a word without media', async () => {
  const { bob, call } = await aCall();
  await call.speak({ file: 'hello.wav', wav: silence() });
  await bob.hears('hello.wav');
});

test('feedback is stored', async () => {
  const { call } = await aCall();
  await call.feedback(4, 'audio-latency');
  await call.hangUp();
  const stored = await switchboard.rest('GET', `Calls/${call.sid}/Feedback.json`);
  assert.equal(stored.quality_score, 4);
});

test('people act by themselves', async () => {
  const script = [{ answer: {} }, { speak: { label: 'good morning' } }, { hang_up: {} }];
  const alice = await switchboard.person('alice');
  const bob = await switchboard.person('bob');
  await bob.onCall(script);
  const call = await alice.call(bob);
  await alice.hears('good morning');
  await call.expectEnd();
});

test('a phone is called by its number, and calls from it', async () => {
  await voice.answer({ twiml: '<Response><Dial callerId="+15550199"><Number>+15550100</Number></Dial></Response>' });
  const alice = await switchboard.person('alice');
  const carol = await switchboard.person('carol', { number: '+15550100' });
  await alice.call(carol);
  const incoming = await carol.incoming();
  assert.equal(incoming.from, '+15550199');
  await incoming.accept();
  await incoming.hangUp();
});

test('people and their calls can be looked at', async () => {
  const { alice, call } = await aCall();
  assert.deepEqual((await switchboard.people()).map(({ name }) => name).sort(), ['alice', 'bob']);
  assert.deepEqual(
    (await alice.calls()).map(({ id }) => id),
    [call.id],
  );
  assert.equal((await alice.currentCall()).id, call.id);
  await alice.remove();
  assert.deepEqual(
    (await switchboard.people()).map(({ name }) => name),
    ['bob'],
  );
});

test('a late hang-up comes late', async () => {
  const { bob, call } = await aCall();
  await bob.misbehave('late_hang_up', { by: '50ms' });
  await call.expectEnd();
});

test('a client whose network is cut comes back', async () => {
  const { alice, call } = await aCall();
  await switchboard.cutNetwork('alice');
  await call.expect('reconnecting');
  await alice.restoreNetwork();
  await call.expect('reconnected');
});

test('a frame is lost on request, and only as often as was said', async () => {
  const alice = await switchboard.person('alice');
  const bob = await switchboard.person('bob');
  await alice.client.setFaults({ direction: 'toClient', type: 'ringing', fault: 'drop', times: 1 });
  const deaf = await alice.call(bob);
  await bob.incoming();
  await assert.rejects(deaf.expect('ringing', { timeout: '100ms' }), ExpectationError);
  await deaf.hangUp();
  const call = await alice.call(bob);
  await call.expect('ringing');
  await alice.client.clearFaults();
});

for (const behaviour of ['refuses', 'closesBeforeBody', 'doesNotRead', { failing: 503 }, { slow: '10ms' }]) {
  test(`a recorder can be one that ${JSON.stringify(behaviour)}`, async () => {
    const recorder = await switchboard.recorder({ name: 'odd', behaviour });
    const { call } = await aCall();
    const { sid } = await call.refresh();
    const resource = `Calls/${sid}/UserDefinedMessageSubscriptions.json`;
    await switchboard.rest('POST', resource, { Callback: recorder.url });
    await call.sendMessage({ table: 7 });
    await recorder.expect({}, { method: 'POST' });
    assert.ok((await recorder.requests()).length >= 1);
    await recorder.remove();
  });
}

test('a token registers a client of its identity', async () => {
  const token = await switchboard.token('dora', { ttl: '5m', params: { desk: '3' } });
  const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
  assert.equal(claims.grants.identity, 'dora');
});

test('the timeline of a call has both sides and the server', async () => {
  const { call } = await aCall();
  const timeline = await switchboard.timeline(call);
  const who = new Set(timeline.entries.map((entry) => entry.who));
  assert.deepEqual([...who].sort(), ['alice', 'bob', 'server']);
  assert.match(`${timeline}`, /bob +accepts/);
});

test('a new test begins a new timeline', async () => {
  await switchboard.person('zoe');
  const { text } = await switchboard.timeline();
  assert.match(text, /zoe/);
  assert.doesNotMatch(text, /alice|bob/);
});
