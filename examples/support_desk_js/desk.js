// The desk's own rules: who calls, which agents have the call, and what is told to whom. Knows nothing of HTTP.

/** Everybody on duty is rung; the first who answers has the call. */
export const AGENTS = ['ada', 'grace'];

/** Who a call is from, by client or by phone number. */
const CUSTOMERS = new Map([
  ['client:bob', { name: 'Bob', lastOrder: '4711' }],
  ['+15550100', { name: 'Carol', lastOrder: '1204' }],
]);

/** Somebody hung up while we were about to say something. */
const CALL_NOT_ACTIVE = 21220;

export class Desk {
  #client;
  /** By the sid of the customer's leg. */
  #conversations = new Map();

  /** @param {{ client: import('twilio').Twilio }} options */
  constructor({ client }) {
    this.#client = client;
  }

  get conversations() {
    return [...this.#conversations.values()].map(({ legs, ...told }) => ({ ...told, ringing: [...legs.keys()] }));
  }

  /** A customer calls. What their app wants to say is heard from now on; a phone has nothing to say. */
  async open({ sid, from, order, callback }) {
    const known = CUSTOMERS.get(from) ?? { name: from.replace(/^client:/, '') };
    const conversation = {
      sid,
      from,
      customer: known.name,
      order: order ?? known.lastOrder ?? '',
      agent: null,
      outcome: 'ringing',
      context: [],
      offers: [],
      feedback: null,
      hasApp: from.startsWith('client:'),
      legs: new Map(), // sid of each agent's leg to how much of the context it has
    };
    this.#conversations.set(sid, conversation);
    if (conversation.hasApp) await this.#listenTo(sid, callback);
    return conversation;
  }

  /** An agent calls a customer back. */
  openOutgoing({ sid, agent, number }) {
    const customer = CUSTOMERS.get(number)?.name ?? number;
    const conversation = { sid, from: number, customer, order: '', agent, outcome: 'calling', context: [], offers: [] };
    this.#conversations.set(sid, { ...conversation, feedback: null, hasApp: false, legs: new Map() });
  }

  /** An agent's leg rings, is answered or has ended. */
  async legChanged({ sid, customerSid, agent, status, callback }) {
    const conversation = this.#conversations.get(customerSid);
    if (!conversation) return;
    if (status === 'ringing') {
      if (!(await this.#listenTo(sid, callback))) return;
      conversation.legs.set(sid, 0);
      await this.#tellAgents(conversation);
    } else if (status === 'in-progress') {
      Object.assign(conversation, { agent, outcome: 'talking' });
    } else {
      conversation.legs.delete(sid);
      if (conversation.legs.size === 0) conversation.outcome = conversation.agent ? 'done' : 'missed';
    }
  }

  /** A message of a customer's app goes to the agents, one of an agent's page to the customer's app. Each counts once. */
  async messageArrived({ sid, callSid, content }) {
    const conversation = this.#conversations.get(callSid);
    if (conversation) {
      if (!conversation.context.some((entry) => entry.sid === sid)) conversation.context.push({ sid, ...content });
      await this.#tellAgents(conversation);
      return;
    }
    const ofAgent = [...this.#conversations.values()].find(({ legs }) => legs.has(callSid));
    if (!ofAgent || ofAgent.offers.some((offer) => offer.sid === sid)) return;
    if (ofAgent.hasApp) await this.#send(ofAgent.sid, sid, content);
    ofAgent.offers.push({ sid, ...content });
  }

  /** No agent rings or talks any more; a customer whom nobody answered is told so, if they have the app. */
  async closed({ sid }) {
    const conversation = this.#conversations.get(sid);
    if (!conversation) return;
    conversation.outcome = conversation.agent ? 'done' : 'missed';
    if (!conversation.agent && conversation.hasApp) {
      await this.#send(sid, `missed-${sid}`, { kind: 'missed', text: 'Nobody is free. We call you back.' });
    }
  }

  rated({ sid, score }) {
    const conversation = this.#conversations.get(sid);
    if (conversation) conversation.feedback = { score };
    return conversation !== undefined;
  }

  async #tellAgents(conversation) {
    for (const leg of conversation.legs.keys()) {
      while (conversation.legs.get(leg) < conversation.context.length) {
        const next = conversation.legs.get(leg);
        const { sid, ...content } = conversation.context[next];
        await this.#send(leg, `${leg}-${sid}`, content);
        conversation.legs.set(leg, next + 1);
      }
    }
  }

  /** Whether the leg was still there to be listened to. */
  #listenTo(callSid, callback) {
    const subscription = { callback, idempotencyKey: `listen-${callSid}` };
    return unlessGone(this.#client.calls(callSid).userDefinedMessageSubscriptions.create(subscription));
  }

  #send(callSid, idempotencyKey, content) {
    const message = { content: JSON.stringify(content), idempotencyKey };
    return unlessGone(this.#client.calls(callSid).userDefinedMessages.create(message));
  }
}

/** Any other failure is told to the service, which repeats its callback. */
async function unlessGone(request) {
  try {
    await request;
    return true;
  } catch (error) {
    if (error.code === CALL_NOT_ACTIVE) return false;
    throw error;
  }
}
