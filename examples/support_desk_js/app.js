// The desk's HTTP side: TwiML and callbacks for the calls, tokens and pages for the agents.
import { fileURLToPath } from 'node:url';
import express from 'express';
import twilio from 'twilio';
import { AGENTS } from './desk.js';

const SDK = fileURLToPath(new URL('node_modules/@twilio/voice-sdk/dist/twilio.min.js', import.meta.url));
const RING_S = 20;

/** @param {{ desk: import('./desk.js').Desk, environment: Record<string, string | undefined> }} options */
export function createApp({ desk, environment }) {
  const app = express();
  app.use(express.urlencoded({ extended: false }), express.json());
  app.use(express.static(fileURLToPath(new URL('public', import.meta.url))));
  app.get('/twilio.js', (_request, response) => response.sendFile(SDK));

  app.get('/token', ({ query: { agent } }, response) => {
    if (!AGENTS.includes(agent)) return response.status(404).json({ message: 'nobody of that name works here' });
    response.json({ token: tokenOf(agent, environment) });
  });
  app.get('/conversations', (_request, response) => response.json(desk.conversations));
  app.put('/conversations/:sid/feedback', ({ params: { sid }, body: { score } }, response) => {
    if (!Number.isInteger(score) || score < 1 || score > 5) return response.status(400).json({ message: '1 to 5' });
    if (!desk.rated({ sid, score })) return response.status(404).json({ message: 'no such conversation' });
    response.status(204).end();
  });

  // What follows is for the service alone: nobody else can sign it.
  const signed = twilio.webhook({ validate: true }, environment.TWILIO_AUTH_TOKEN);

  app.post('/voice', signed, async (request, response) => {
    const { CallSid: sid, From: from, To: to, order } = request.body;
    const twiml = new twilio.twiml.VoiceResponse();
    const agent = AGENTS.find((name) => from === `client:${name}`);
    if (agent) {
      desk.openOutgoing({ sid, agent, number: to });
      twiml.dial({ callerId: environment.DESK_NUMBER, answerOnBridge: true, action: '/ended' }).number(to);
    } else {
      const { customer, order: number } = await desk.open({ sid, from, order, callback: here(request, '/messages') });
      const dial = twiml.dial({ timeout: RING_S, answerOnBridge: true, action: '/ended' });
      for (const name of AGENTS) {
        const statusCallbackEvent = ['ringing', 'answered', 'completed'];
        const client = dial.client({ statusCallback: '/legs', statusCallbackEvent });
        client.identity(name);
        for (const [key, value] of Object.entries({ customer, order: number, conversation: sid })) {
          client.parameter({ name: key, value });
        }
      }
    }
    response.type('text/xml').send(twiml.toString());
  });

  app.post('/ended', signed, async ({ body: { CallSid: sid } }, response) => {
    await desk.closed({ sid });
    const twiml = new twilio.twiml.VoiceResponse();
    twiml.hangup();
    response.type('text/xml').send(twiml.toString());
  });

  app.post('/legs', signed, async (request, response) => {
    const { CallSid: sid, ParentCallSid: customerSid, To: to, CallStatus: status } = request.body;
    const callback = here(request, '/messages');
    await desk.legChanged({ sid, customerSid, agent: to.replace('client:', ''), status, callback });
    response.status(204).end();
  });

  app.post('/messages', signed, async (request, response) => {
    const { Sid: sid, CallSid: callSid, Content: content } = request.body;
    await desk.messageArrived({ sid, callSid, content: JSON.parse(content) });
    response.status(204).end();
  });
  return app;
}

function tokenOf(agent, environment) {
  const { AccessToken } = twilio.jwt;
  const token = new AccessToken(
    environment.TWILIO_ACCOUNT_SID,
    environment.TWILIO_API_KEY,
    environment.TWILIO_API_SECRET,
    { identity: agent, ttl: 3600 },
  );
  const outgoingApplicationSid = environment.TWIML_APP_SID;
  token.addGrant(new AccessToken.VoiceGrant({ outgoingApplicationSid, incomingAllow: true }));
  return token.toJwt();
}

/** An address of this app, as the request knew it. */
function here(request, path) {
  return `${request.protocol}://${request.get('host')}${path}`;
}
