'use strict';

const assert = require('node:assert/strict');
const { afterEach, beforeEach, test } = require('node:test');
const { ExpectationError, MidcallError, Switchboard } = require('../../index.js');
const { ABOUT, Fake } = require('./fake.js');

let fake;
beforeEach(async () => {
  fake = await new Fake().start();
});
afterEach(() => fake.stop());

const connect = () => Switchboard.connect({ url: fake.url, accountSid: 'AC1', authToken: 'secret' });

test('each request carries the account and its token', async () => {
  await connect();
  const expected = `Basic ${Buffer.from('AC1:secret').toString('base64')}`;
  assert.equal(fake.asked[0].headers.authorization, expected);
});

test('an expectation that did not come true tells what was expected, what was seen and what happened', async () => {
  const switchboard = await fake.switchboard();
  const body = {
    status: 422,
    code: 30,
    message: 'bob was not called within 10 s',
    expected: { to: 'bob' },
    seen: ['carol was called', { sid: 'CA1' }],
    timeline: '0.1 s alice calls\n0.2 s carol rings\n',
  };
  fake.answer('POST', '/control/v1/people', { status: 422, body });
  const error = await switchboard.person('bob').catch((raised) => raised);
  assert.ok(error instanceof ExpectationError && error instanceof MidcallError && error instanceof Error);
  assert.equal(
    error.message,
    [
      'bob was not called within 10 s',
      '  expected: {"to":"bob"}',
      '  seen:',
      '    - carol was called',
      '    - {"sid":"CA1"}',
      '',
      'Timeline:',
      '  0.1 s alice calls',
      '  0.2 s carol rings',
    ].join('\n'),
  );
  assert.deepEqual(error.seen, body.seen);
});

test('an expectation that saw nothing says so', async () => {
  const switchboard = await fake.switchboard();
  fake.answer('POST', '/control/v1/people', { status: 422, body: { message: 'no call', seen: [] } });
  await assert.rejects(switchboard.person('bob'), /no call\n {2}seen: {5}nothing/);
});

test('a refusal keeps its sentence, status and code', async () => {
  const switchboard = await fake.switchboard();
  const body = { status: 409, code: 20409, message: 'there is a bob already' };
  fake.answer('POST', '/control/v1/people', { status: 409, body });
  const error = await switchboard.person('bob').catch((raised) => raised);
  assert.ok(!(error instanceof ExpectationError));
  assert.match(error.message, /POST \/control\/v1\/people was answered with 409: there is a bob already/);
  assert.deepEqual([error.status, error.code], [409, 20409]);
});

test('an answer that is no JSON is shown as it is', async () => {
  const switchboard = await fake.switchboard();
  fake.answer('POST', '/control/v1/people', { status: 502, body: '<h1>a proxy</h1>' });
  await assert.rejects(switchboard.person('bob'), /answered with 502: <h1>a proxy<\/h1>/);
});

test('names are escaped in paths', async () => {
  const switchboard = await fake.switchboard();
  await switchboard.cutNetwork('a/b c?');
  assert.equal(fake.last.path, '/control/v1/clients/a%2Fb%20c%3F/network');
});

test('a server that is not there is named', async () => {
  const url = 'http://127.0.0.1:1';
  const refused = Switchboard.connect({ url, accountSid: 'AC1', authToken: 'secret' });
  await assert.rejects(refused, /the server at http:\/\/127\.0\.0\.1:1 cannot be asked: .*ECONNREFUSED/);
});

test('a server without a control API is told apart', async () => {
  fake.answer('GET', '/control/v1', { status: 404, body: { message: 'not found' } });
  await assert.rejects(connect(), /has no control API: it needs --mode dev/);
});

test('another version of the control API is refused', async () => {
  fake.answer('GET', '/control/v1', { body: { ...ABOUT, version: '2' } });
  await assert.rejects(connect(), /speaks version 2 of the control API, this package 1/);
});

test('a switchboard that is not open says how to open it', async () => {
  await assert.rejects(new Switchboard().person('bob'), /not open: await it/);
});

test('connect wants to know where', () => {
  assert.throws(() => Switchboard.connect({}), /connect needs \{ url, accountSid, authToken \} or \{ dataDir \}/);
});
