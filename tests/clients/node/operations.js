// The official Node library in the hands of the tests: a job a line on stdin, its result a line on stdout.
// What the jobs are, says tests/clients/operations.py.
'use strict';

const readline = require('node:readline');
const twilio = require('twilio');

const { TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_API_KEY, TWILIO_API_SECRET } = process.env;
const { AccessToken } = twilio.jwt;
const client = twilio(TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN);

const call = ({ sid, status, to, direction }) => ({ sid, status, to, direction });
const event = ({ sid, callSid, dateCreated }) => ({ sid, call_sid: callSid, created: dateCreated.getTime() / 1000 });

const operations = {
  version: async () => ({ version: require('twilio/package.json').version }),

  create_message: async ({ call_sid, content }) =>
    event(await client.calls(call_sid).userDefinedMessages.create({ content })),

  create_subscription: async ({ call_sid, callback }) =>
    event(await client.calls(call_sid).userDefinedMessageSubscriptions.create({ callback, method: 'POST' })),

  delete_subscription: async ({ call_sid, sid }) => ({
    gone: await client.calls(call_sid).userDefinedMessageSubscriptions(sid).remove(),
  }),

  create_call: async ({ to, from_, twiml }) => call(await client.calls.create({ to, from: from_, twiml })),

  fetch_call: async ({ sid }) => call(await client.calls(sid).fetch()),

  list_calls: async ({ to, page_size }) => ({
    sids: (await client.calls.list({ to, pageSize: page_size })).map((row) => row.sid),
  }),

  redirect_call: async ({ sid, twiml }) => call(await client.calls(sid).update({ twiml })),

  end_call: async ({ sid }) => call(await client.calls(sid).update({ status: 'completed' })),

  create_application: async ({ friendly_name, voice_url }) => {
    const made = await client.applications.create({ friendlyName: friendly_name, voiceUrl: voice_url });
    return { sid: made.sid, friendly_name: made.friendlyName, voice_url: made.voiceUrl };
  },

  create_key: async ({ friendly_name }) => {
    const { sid, secret } = await client.newKeys.create({ friendlyName: friendly_name });
    return { sid, secret };
  },

  read_error: async ({ sid }) => {
    try {
      await client.calls(sid).fetch();
    } catch ({ status, code, message }) {
      return { status, code, message };
    }
    return {};
  },

  validate: async ({ url, parameters, signature }) => ({
    valid: twilio.validateRequest(TWILIO_AUTH_TOKEN, signature, url, parameters),
  }),

  mint_token: async ({ identity, application_sid }) => {
    const token = new AccessToken(TWILIO_ACCOUNT_SID, TWILIO_API_KEY, TWILIO_API_SECRET, { identity });
    token.addGrant(new AccessToken.VoiceGrant({ outgoingApplicationSid: application_sid, incomingAllow: true }));
    return { token: token.toJwt() };
  },
};

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const job = JSON.parse(line);
    let result;
    try {
      result = { answer: await operations[job.operation](job.arguments) };
    } catch (error) {
      result = { failure: `${error.name}: ${error.message}` };
    }
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
}

main();
