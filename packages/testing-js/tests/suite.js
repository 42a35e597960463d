'use strict';
// The same stories for Jest and Vitest: what differs between runners is how a test begins and ends.

const DIAL = '<Response><Dial answerOnBridge="true"><Client>bob</Client></Dial></Response>';

/**
 * @param {{ test: any, expect: any, beforeAll: any }} runner
 * @param {import('../index.js').Switchboard} switchboard
 */
function tellStories({ test, expect, beforeAll }, switchboard) {
  beforeAll(async () => {
    await switchboard.setVoiceUrl(await switchboard.recorder({ name: 'voice', twiml: DIAL }));
  });

  test('alice calls bob, they talk and exchange messages', async () => {
    const alice = await switchboard.person('alice');
    const bob = await switchboard.person('bob');
    const call = await alice.call('bob', { params: { order: '7' } });
    const incoming = await bob.incoming();
    expect(incoming.from).toBe('client:alice');
    await incoming.accept();
    await call.expect('accept');
    await alice.speak('hello');
    await bob.hears('hello');
    await alice.sendMessage({ table: 7, dishes: ['Melange', 'cake'] });
    expect((await bob.expectMessage({ table: 7 })).content).toEqual({ table: 7, dishes: ['Melange', 'cake'] });
    await bob.hangUp();
    expect((await call.expectEnd()).status).toBe('closed');
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
    expect(error.message).toMatch(/bob/);
    expect(error.message).toMatch(/Timeline:/);
  });
}

module.exports = { tellStories };
