'use strict';
// The same stories for Jest and Vitest: what differs between runners is how a test begins and ends.

const DIAL = '<Response><Dial answerOnBridge="true"><Client>bob</Client></Dial></Response>';

/**
 * @param {{ test: any, expect: any, beforeAll: any }} runner
 * @param {import('../index.js').Switchboard} switchboard
 */
function tellStories({ test, expect, beforeAll }, switchboard) {
  let messages;
  beforeAll(async () => {
    await switchboard.setVoiceUrl(await switchboard.recorder({ name: 'voice', twiml: DIAL }));
    messages = await switchboard.recorder({ name: 'messages' });
  });

  test('alice calls bob, and they talk', async () => {
    const alice = await switchboard.person('alice');
    const bob = await switchboard.person('bob');
    const call = await alice.call('bob', { params: { order: '7' } });
    const incoming = await bob.incoming();
    expect(incoming.from).toBe('client:alice');
    await incoming.accept();
    expect(incoming.status).toBe('open');
    await call.expect('accept');
    await alice.speak('hello');
    await bob.hears('hello');
    await alice.hearsNothingFor('50ms');
    await bob.hangUp();
    expect((await call.expectEnd()).endedBy).toBe('disconnect');
  });

  test('messages travel between a person and the app', async () => {
    const alice = await switchboard.person('alice');
    const bob = await switchboard.person('bob', { onCall: [{ answer: {} }] });
    const call = await alice.call('bob');
    await call.expect({ status: 'open' });
    const { sid } = await call.refresh();
    await switchboard.rest('POST', `Calls/${sid}/UserDefinedMessageSubscriptions.json`, { Callback: messages.url });
    await alice.sendMessage({ table: 7, dishes: ['Melange', 'cake'] });
    const told = await messages.expect({ CallSid: sid });
    expect(JSON.parse(told.fields.Content)).toEqual({ table: 7, dishes: ['Melange', 'cake'] });
    expect(told.signatureValid).toBe(true);
    const Content = JSON.stringify({ kind: 'bill', amount: 12.5 });
    await switchboard.rest('POST', `Calls/${sid}/UserDefinedMessages.json`, { Content });
    expect((await call.expectMessage({ kind: 'bill' })).content).toEqual({ kind: 'bill', amount: 12.5 });
    await bob.saysNothingFor('50ms');
  });

  test('digits arrive', async () => {
    const alice = await switchboard.person('alice');
    const bob = await switchboard.person('bob', { onCall: [{ answer: {} }] });
    const call = await alice.call('bob');
    await call.expect('accept');
    await call.sendDigits('12#');
    await bob.expectDigits('12#');
  });

  test('nobody is left over from the test before', async () => {
    expect(await switchboard.people()).toEqual([]);
  });

  test('an expectation that fails tells what was expected and what happened', async () => {
    const bob = await switchboard.person('bob');
    const error = await bob.incoming({ timeout: 0.1 }).catch((raised) => raised);
    expect(error.name).toBe('ExpectationError');
    expect(error.message).toMatch(/bob was not called/);
    expect(error.message).toMatch(/Timeline:\n[\s\S]*bob +registered/);
  });

  test('what a state forbids is refused with a sentence', async () => {
    await switchboard.person('alice');
    const error = await switchboard.person('alice').catch((raised) => raised);
    expect([error.name, error.status]).toEqual(['MidcallError', 409]);
  });
}

module.exports = { tellStories };
