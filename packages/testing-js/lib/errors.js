'use strict';

/** Anything the kit has to complain about that is no failed expectation. */
class MidcallError extends Error {
  /**
   * @param {string} message
   * @param {{ status?: number, code?: number, cause?: unknown }} [about]
   */
  constructor(message, { status, code, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'MidcallError';
    this.status = status;
    this.code = code;
  }
}

/** Something was expected of a person, a call or a recorder, and did not come true. */
class ExpectationError extends MidcallError {
  /** @param {{ message: string, expected?: unknown, seen?: unknown[], timeline?: string, code?: number }} told */
  constructor({ message, expected, seen, timeline, code }) {
    super(story(message, expected, seen, timeline), { status: 422, code });
    this.name = 'ExpectationError';
    this.expected = expected;
    this.seen = seen ?? [];
    this.timeline = timeline ?? '';
  }
}

/** One text for the report of any test runner. */
function story(message, expected, seen, timeline) {
  const lines = [message];
  if (expected !== undefined && expected !== null) lines.push(`  expected: ${inOneLine(expected)}`);
  if (Array.isArray(seen)) {
    if (seen.length === 0) lines.push('  seen:     nothing');
    else lines.push('  seen:', ...seen.map((entry) => `    - ${inOneLine(entry)}`));
  }
  if (timeline)
    lines.push(
      '',
      'Timeline:',
      ...timeline
        .trimEnd()
        .split('\n')
        .map((line) => `  ${line}`),
    );
  return lines.join('\n');
}

function inOneLine(value) {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/**
 * Puts a text below an error that is already on its way to a report: runners print the stack, most of them only that.
 *
 * @param {unknown} error
 * @param {string} text
 * @returns {boolean} whether the error could take it
 */
function addBelow(error, text) {
  if (typeof error !== 'object' || error === null || !('message' in error)) return false;
  const message = String(error.message);
  const longer = `${message}\n\n${text}`;
  const stack = typeof error.stack === 'string' ? error.stack : '';
  error.message = longer;
  error.stack = stack.includes(message) ? stack.replace(message, () => longer) : `${stack}\n\n${text}`;
  return true;
}

module.exports = { ExpectationError, MidcallError, addBelow };
