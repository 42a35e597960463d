// Never run: tsc reads it, so that the declarations say what the code takes.

import { type Call, ExpectationError, type Person, Switchboard } from '@midcall/testing';
import { withSwitchboard } from '@midcall/testing/playwright';
import { setUpSwitchboard } from '@midcall/testing/vitest';
import { test as base, expect } from '@playwright/test';

const own = await Switchboard.start({ settings: { media_engine: 'none' } });
const known = await Switchboard.connect({ url: 'http://localhost:8080', accountSid: 'AC', authToken: 'secret' });
await Switchboard.connect({ dataDir: '.midcall' });
// @ts-expect-error a port is no option: it is a free one
await Switchboard.start({ port: 8080 });

const alice: Person = await own.person('alice');
const carol = await own.person('carol', { number: '+15550100', onCall: [{ ring: '2s' }, { answer: {} }] });
const call: Call = await alice.call('bob', { params: { order: '7' } });
await alice.call(carol);
const incoming = await carol.incoming({ timeout: '5s' });
await incoming.accept();
await incoming.speak({ toneHz: 440, for: 1 });
await alice.hears({ toneHz: 440 }, { timeout: 3 });
await alice.hears('hello');
// @ts-expect-error either a tone or a level
await alice.hears({ pitch: 440 });
const sid: string = (await call.sendMessage({ table: 7 })).sid;
const { content } = await carol.expectMessage({ table: 7 });
const ended: string | null = (await call.expectEnd()).endedBy;
await own.client('alice').setFaults({ direction: 'toClient', type: 'ringing', fault: 'drop', times: 1 });
// @ts-expect-error no such fault
await own.client('alice').setFaults({ direction: 'toClient', type: 'ringing', fault: 'burn' });

const recorder = await own.recorder({ twiml: '<Response/>', behaviour: { slow: '3s', times: 1 } });
await own.setVoiceUrl(recorder);
const valid: boolean | null = (await recorder.expect({ From: 'client:alice' })).signatureValid;
console.log(String(await own.timeline(call)), (await known.env()).HTTPS_PROXY, sid, content, ended, valid);

const test = withSwitchboard(base, {
  offline: true,
  onStart: (board) => board.setVoiceUrl('http://localhost:3000'),
});
test('a page rings', async ({ page, switchboard }) => {
  await page.goto('/');
  await expect((await switchboard.person('bob')).incoming()).rejects.toThrow(ExpectationError);
});
setUpSwitchboard({ testTimeout: 60 }).stop();
