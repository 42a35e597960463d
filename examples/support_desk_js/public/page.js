// An agent's page: one device, one call at a time. The SDK gets no options, in production as in tests.
const find = (id) => document.getElementById(id);
const show = (id, on) => {
  find(id).hidden = !on;
};
const say = (text) => {
  find('status').textContent = text;
};
const AUDIBLE = 0.01;

let device;
let call;
let conversation;
/** Offers that the server has not acknowledged yet, by their sid. */
const unsent = new Map();

async function signIn() {
  const agent = new URLSearchParams(location.search).get('agent');
  const answer = await fetch(`/token?agent=${encodeURIComponent(agent)}`);
  if (!answer.ok) return say('Nobody of that name works here');
  device = new Twilio.Device((await answer.json()).token);
  device.on('incoming', ring);
  device.on('registered', () => {
    if (!call) say('Ready'); // it registers again when the network has come back, also in a call
  });
  device.on('error', (error) => say(`Trouble: ${error.message}`));
  await device.register();
}

function ring(incoming) {
  if (call) return incoming.reject();
  const { customParameters } = incoming;
  take(incoming, {
    name: customParameters.get('customer'),
    order: customParameters.get('order'),
    sid: customParameters.get('conversation'),
  });
  show('ringing', true);
  say(`${customParameters.get('customer')} calls`);
}

function take(next, { name, order, sid }) {
  call = next;
  conversation = sid;
  find('customer').textContent = name;
  find('order').textContent = order;
  find('context').replaceChildren();
  find('offers').replaceChildren();
  find('voice').textContent = 'silent';
  find('mute').setAttribute('aria-pressed', 'false');
  show('call', true);
  show('feedback', false);
  show('talking', false);
  show('offer', false);
  call.on('accept', talk);
  call.on('messageReceived', ({ content }) => list('context', content.text));
  call.on('messageSent', ({ voiceEventSid }) => {
    unsent.get(voiceEventSid).textContent += ' ✓';
    unsent.delete(voiceEventSid);
  });
  call.on('volume', (_input, output) => {
    if (output > AUDIBLE) find('voice').textContent = 'speaking';
  });
  call.on('disconnect', () => leave('The call has ended', { rate: true }));
  call.on('cancel', () => leave('The customer has hung up'));
  call.on('reject', () => leave('Ready'));
  call.on('error', (error) => say(`Trouble: ${error.message}`));
  call.on('reconnecting', () => say('The connection is lost…'));
  call.on('reconnected', () => say('Talking'));
}

function talk() {
  show('ringing', false);
  show('talking', true);
  show('offer', true);
  conversation ??= call.parameters.CallSid;
  say('Talking');
}

function leave(text, { rate = false } = {}) {
  for (const id of ['call', 'ringing', 'talking', 'offer']) show(id, false);
  show('feedback', rate);
  if (!rate) call = undefined;
  say(text);
}

function list(id, text) {
  const item = document.createElement('li');
  item.textContent = text;
  find(id).append(item);
  return item;
}

find('answer').onclick = () => call.accept();
find('decline').onclick = () => call.reject();
find('hangup').onclick = () => call.disconnect();
find('mute').onclick = () => {
  call.mute(!call.isMuted());
  find('mute').setAttribute('aria-pressed', String(call.isMuted()));
};

find('offer').onsubmit = (event) => {
  event.preventDefault();
  const { text } = event.target.elements;
  const item = list('offers', text.value);
  const sid = call.sendMessage({ messageType: 'user-defined-message', content: { kind: 'offer', text: text.value } });
  unsent.set(sid, item);
  text.value = '';
};

find('feedback').onsubmit = async (event) => {
  event.preventDefault();
  const score = Number(event.target.elements.score.value);
  const ended = call;
  call = undefined;
  await ended.postFeedback(score);
  await fetch(`/conversations/${conversation}/feedback`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ score }),
  });
  show('feedback', false);
  say('Ready');
};

find('dial').onsubmit = async (event) => {
  event.preventDefault();
  const number = event.target.elements.number.value;
  take(await device.connect({ params: { To: number } }), { name: number, order: '' });
  show('ringing', false);
  show('talking', true);
  say(`Calling ${number}`);
};

signIn();
