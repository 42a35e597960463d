'use strict';
// The timeline below a failure, for runners that print errors.

const { ExpectationError, addBelow } = require('./errors.js');

/**
 * Puts what happened below the first error that has no timeline yet. Never fails: the test has its reason already.
 *
 * @param {import('./switchboard.js').Switchboard} switchboard
 * @param {unknown[]} errors of one test
 */
async function addTimeline(switchboard, errors) {
  if (!switchboard.isOpen || errors.some((error) => told(error))) return;
  const text = await timelineText(switchboard);
  if (text && !errors.some((error) => addBelow(error, text))) console.error(text);
}

async function timelineText(switchboard) {
  try {
    const { text } = await switchboard.timeline();
    return text ? `Timeline:\n${text.trimEnd().replace(/^/gm, '  ')}` : '';
  } catch (error) {
    return `The timeline cannot be had: ${error.message}`;
  }
}

/** The error carries its timeline; runners may have copied it, so that its class is lost, or all but its text. */
function told(error) {
  if (error instanceof ExpectationError || (error?.name === 'ExpectationError' && Boolean(error.timeline))) return true;
  return String(error?.message).includes('\n\nTimeline:\n');
}

module.exports = { addTimeline, timelineText };
