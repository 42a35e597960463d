// Customers call, agents answer.
import { AgentPage, DESK_NUMBER, expect, storedOf, test } from './story.js';

test('Bob calls, and Ada sees who it is and what he ordered', async ({ ada, bob }) => {
  const call = await bob.call('support', { params: { order: '5050' } });
  await expect(ada.status).toHaveText('Bob calls');
  await expect(ada.customer).toHaveText('Bob');
  await expect(ada.order).toHaveText('5050');
  await ada.press('Answer');
  await call.expect('accept');
});

test('Carol calls from her phone, and the desk knows her by her number', async ({ ada, carol }) => {
  const call = await carol.call(DESK_NUMBER);
  await ada.answers('Carol');
  await expect(ada.order).toHaveText('1204');
  await call.expect({ status: 'open' });
});

test('Ada and Bob hear each other', async ({ ada, bob }) => {
  const call = await bob.call('support');
  await ada.answers('Bob');
  await expect(ada.voice).toHaveText('silent');
  await call.speak({ toneHz: 440 });
  await expect(ada.voice).toHaveText('speaking');
  await call.hears({ levelAboveDbfs: -50 }); // the microphone of this Chromium beeps
});

test('Ada and Grace both ring; Grace answers, and Ada is free again', async ({ ada, bob, context }) => {
  const grace = await AgentPage.open(await context.newPage(), 'grace');
  await bob.call('support');
  await expect(ada.status).toHaveText('Bob calls');
  await grace.answers('Bob');
  await expect(ada.status).toHaveText('The customer has hung up');
  await expect(ada.customer).toBeHidden();
});

test('Bob gives up before anybody answers', async ({ ada, bob, request }) => {
  const call = await bob.call('support', { params: { order: '8001' } });
  await expect(ada.status).toHaveText('Bob calls');
  await call.hangUp();
  await expect(ada.status).toHaveText('The customer has hung up');
  await expect.poll(async () => (await storedOf(request, '8001'))?.outcome).toBe('missed');
});

test('nobody is at the desk: Bob is one to be called back', async ({ bob, request }) => {
  const call = await bob.call('support', { params: { order: '8002' } });
  await call.expectEnd();
  await expect.poll(async () => (await storedOf(request, '8002'))?.outcome).toBe('missed');
});

test('Ada hangs up, and Bob is told', async ({ ada, bob }) => {
  const call = await bob.call('support');
  await ada.answers('Bob');
  await ada.press('Hang up');
  await call.expectEnd();
  await expect(ada.status).toHaveText('The call has ended');
});

test('Bob hangs up, and what Ada thought of the call is stored', async ({ ada, bob, request, switchboard }) => {
  const call = await bob.call('support', { params: { order: '8003' } });
  await ada.answers('Bob');
  await call.hangUp();
  await expect(ada.status).toHaveText('The call has ended');
  await ada.page.getByLabel('How was the call?').selectOption('good');
  await ada.press('Save');
  await expect(ada.status).toHaveText('Ready');
  const wanted = { agent: 'ada', outcome: 'done', feedback: { score: 4 } };
  await expect.poll(() => storedOf(request, '8003')).toMatchObject(wanted);
  const stored = await storedOf(request, '8003');
  const { calls } = await switchboard.rest('GET', `Calls.json?ParentCallSid=${stored.sid}`);
  const ofAda = calls.find(({ to }) => to === 'client:ada');
  const feedback = await switchboard.rest('GET', `Calls/${ofAda.sid}/Feedback.json`);
  expect(feedback.quality_score).toBe(4);
});

test('Ada calls Carol back on her phone', async ({ ada, carol }) => {
  await ada.page.getByLabel('Number').fill(carol.number);
  await ada.press('Call back');
  const call = await carol.incoming();
  expect(call.from).toBe(DESK_NUMBER);
  await call.accept();
  await expect(ada.status).toHaveText('Talking');
  await call.hangUp();
  await expect(ada.status).toHaveText('The call has ended');
});
