// What the customer's app and the agent's page tell each other while the call goes on.
import { expect, storedOf, test } from './story.js';

test("Bob's app tells what he looks at, also while it still rings", async ({ ada, bob }) => {
  const call = await bob.call('support');
  await expect(ada.status).toHaveText('Bob calls');
  await call.sendMessage({ kind: 'page', text: 'reads about returns' });
  await expect(ada.context).toHaveText(['reads about returns']);
  await ada.press('Answer');
  await call.expect('accept');
  await call.sendMessage({ kind: 'page', text: 'looks at order 4711' });
  await expect(ada.context).toHaveText(['reads about returns', 'looks at order 4711']);
});

test("Ada makes an offer, and Bob's app shows it", async ({ ada, bob, request }) => {
  const call = await bob.call('support', { params: { order: '8004' } });
  await ada.answers('Bob');
  await ada.offer('10 % off, if you keep it');
  await call.expectMessage({ kind: 'offer', text: '10 % off, if you keep it' });
  await expect(ada.offers).toHaveText(['10 % off, if you keep it ✓']);
  const stored = { offers: [{ kind: 'offer', text: '10 % off, if you keep it' }] };
  await expect.poll(() => storedOf(request, '8004')).toMatchObject(stored);
});

test("Ada declines: Bob's app hears that he will be called back", async ({ ada, bob }) => {
  const call = await bob.call('support');
  await expect(ada.status).toHaveText('Bob calls');
  await ada.press('Decline');
  await call.expectMessage({ kind: 'missed' });
  await expect(ada.status).toHaveText('Ready');
});

test('what Bob sends while Ada has no network is there when she is back', async ({ ada, bob, switchboard }) => {
  const call = await bob.call('support');
  await ada.answers('Bob');
  await switchboard.cutNetwork('ada');
  await expect(ada.status).toHaveText('The connection is lost…');
  for (const text of ['first', 'second', 'third']) await call.sendMessage({ text });
  await switchboard.restoreNetwork('ada');
  await expect(ada.context).toHaveText(['first', 'second', 'third']);
  await expect(ada.status).toHaveText('Talking');
});

test('a stranger cannot tell the desk anything', async ({ request, bob, ada }) => {
  const call = await bob.call('support');
  await ada.answers('Bob');
  const forged = { CallSid: call.sid ?? '', Sid: 'KX1', Content: '{"text":"all is free"}' };
  const answer = await request.post('/messages', { form: forged, headers: { 'X-Twilio-Signature': 'forged' } });
  expect(answer.status()).toBe(403);
  await expect(ada.context).toHaveCount(0);
});
