'use strict';

const { expect, test: base } = require('@playwright/test');
const { withSwitchboard } = require('@midcall/testing/playwright');

const started = [];
const test = withSwitchboard(base, {
  offline: true,
  onStart: (switchboard) => {
    started.push(switchboard.httpUrl);
  },
});

test("pages find this server under the vendor's names, and believe it", async ({ page }) => {
  const answer = await page.goto('https://api.twilio.com/healthz');
  expect(answer.status()).toBe(200);
});

test('pages find nobody else', async ({ page }) => {
  await expect(page.goto('https://www.example.com/')).rejects.toThrow(/ERR_NAME_NOT_RESOLVED/);
});

test('a page has a microphone without asking anybody', async ({ page }) => {
  await page.goto('https://api.twilio.com/healthz');
  const tracks = await page.evaluate(async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    return stream.getAudioTracks().length;
  });
  expect(tracks).toBe(1);
});

test('people live as long as a test', async ({ switchboard }) => {
  const alice = await switchboard.person('alice');
  expect((await switchboard.people()).map(({ name }) => name)).toEqual([alice.name]);
});

test('the next test has none of them, and the same server', async ({ switchboard, workerSwitchboard }) => {
  expect(await switchboard.people()).toEqual([]);
  expect(started).toEqual([workerSwitchboard.httpUrl]);
});
