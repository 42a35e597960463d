'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { ExpectationError } = require('../../index.js');
const { addTimeline } = require('../../lib/report.js');

const switchboard = { isOpen: true, timeline: async () => ({ text: 'alice calls\nbob rings\n' }) };

test('the timeline goes below message and stack', async () => {
  const error = new Error('1 is not 2');
  await addTimeline(switchboard, [error]);
  assert.equal(error.message, '1 is not 2\n\nTimeline:\n  alice calls\n  bob rings');
  assert.match(error.stack, /^Error: 1 is not 2\n\nTimeline:\n {2}alice calls\n {2}bob rings\n +at /);
});

test('an error of the kit has its timeline already', async () => {
  const error = new ExpectationError({ message: 'no call', timeline: 'nothing happened' });
  const before = error.stack;
  await addTimeline(switchboard, [error]);
  assert.equal(error.stack, before);
});

test('of an error of the kit, Playwright has only texts left', async () => {
  const { message, stack } = new ExpectationError({ message: 'no call', timeline: 'nothing happened' });
  const copy = { message, stack };
  await addTimeline(switchboard, [copy]);
  assert.deepEqual(copy, { message, stack });
});

test('a timeline that cannot be had is no second failure', async () => {
  const error = new Error('1 is not 2');
  const gone = { isOpen: true, timeline: async () => Promise.reject(new Error('gone')) };
  await addTimeline(gone, [error]);
  assert.match(error.message, /The timeline cannot be had: gone/);
});
