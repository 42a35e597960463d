/** Seconds, or a text such as `"300ms"`, `"5s"`, `"2m"`. */
export type Duration = number | string;

/** Anything that JSON can hold. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export interface ProgramOptions {
  /** The `midcall` program, or a list of words; else MIDCALL in the environment, else `midcall` in the PATH. */
  command?: string | string[];
}

export interface StartOptions extends ProgramOptions {
  /** Settings of the server, as `midcall settings` lists them; `{ media_engine: 'none' }` does without sound. */
  settings?: Record<string, string | number | boolean>;
  /** More arguments of `midcall serve`. */
  args?: string[];
  /** More variables for the server. */
  environment?: Record<string, string>;
  /** Seconds until it has to be ready; 30. */
  startTimeout?: number;
}

export interface ConnectOptions extends ProgramOptions {
  /** Where a server listens, for example `http://localhost:8080`; needs the next two. */
  url?: string;
  accountSid?: string;
  authToken?: string;
  /** Certificate of the authority, for a url with https. */
  ca?: string | Buffer;
  /** Or the data folder of a server on this machine. */
  dataDir?: string;
}

/** One step of a script: an object with one key, such as `{ ring: '2s' }`, `{ answer: {} }`, `{ hang_up: {} }`. */
export type Step = { [action: string]: Json };

export interface PersonOptions {
  /** Its client identity; its name if nothing else is said. */
  identity?: string;
  /** E.164: it has a phone with this number. */
  number?: string;
  /** `real` sound or `none`, where sounds are labels; what the server has if nothing is said. */
  media?: 'real' | 'none';
  /** What each incoming call does by itself. */
  onCall?: Step[];
}

export interface TokenOptions {
  ttl?: Duration;
  incoming?: boolean;
  applicationSid?: string;
  params?: Record<string, string>;
}

export type Spoken =
  | string
  | { label: string }
  | { toneHz: number; levelDbfs?: number; for?: Duration }
  | { file: string; wav?: Uint8Array };

export type Heard = string | { label: string } | { toneHz: number } | { levelAboveDbfs: number };

export interface Wait {
  /** How long it may take; 10 s. */
  timeout?: Duration;
}

export interface Message {
  sid: string;
  content: any;
  [key: string]: any;
}

export type Misbehaviour = 'no_answer' | 'malformed_frame' | 'double_answer' | 'late_hang_up';

/** What somebody does in a call, and expects of it. Each fails with an ExpectationError, or a MidcallError with status 409. */
export interface InCall {
  accept(): Promise<void>;
  reject(): Promise<void>;
  ignore(): Promise<void>;
  hangUp(): Promise<void>;
  mute(on?: boolean): Promise<void>;
  /** A word is a label; a tone or a WAV file is sound where there is media. */
  speak(sound: Spoken): Promise<void>;
  stopSpeaking(): Promise<void>;
  hears(sound: Heard, wait?: Wait): Promise<void>;
  sendDigits(digits: string): Promise<void>;
  expectDigits(digits: string, wait?: Wait): Promise<void>;
  /** Sends a call message, and waits until it is sent or refused. */
  sendMessage(
    content: Json,
    options?: { messageType?: string; contentType?: string; wait?: boolean },
  ): Promise<{ sid: string }>;
  /** The next message whose content has these keys and values; without content the next one. */
  expectMessage(content?: Json, wait?: Wait): Promise<Message>;
  /** An event of the client, past or to come, or a status. */
  expect(what: string | { event: string } | { status: string }, wait?: Wait): Promise<void>;
  /** Waits that long; neither sound, label nor message may come from here. */
  saysNothingFor(duration: Duration): Promise<void>;
  /** Waits that long; neither sound, label nor message may come here. */
  hearsNothingFor(duration: Duration): Promise<void>;
  expectEnd(wait?: Wait): Promise<Call>;
  feedback(score?: number, issue?: string): Promise<void>;
  misbehave(how: Misbehaviour, options?: { by?: Duration }): Promise<void>;
  /** An action in the spelling of the control API. */
  act(action: string, body?: object): Promise<any>;
}

/** One person's side of a call. The fields are as of the last answer. */
export interface Call extends InCall {
  readonly id: string;
  readonly person: string;
  readonly sid: string | null;
  readonly direction: 'incoming' | 'outgoing';
  readonly status: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly parameters: Record<string, string>;
  readonly customParameters: Record<string, string>;
  readonly endedBy: string | null;
  readonly error: unknown;
  /** Asks for the fields again; the same object. */
  refresh(): Promise<this>;
}
export const Call: abstract new () => Call;

export interface Fault {
  direction: 'fromClient' | 'toClient';
  /** Type of the signalling frames, `*` for all. */
  type: string;
  fault: 'drop' | 'delay' | 'double' | 'reorder';
  /** How often. */
  times?: number;
  /** Of a delay. */
  by?: Duration;
}

/** Any client by its identity, a browser too. */
export interface Client {
  readonly identity: string;
  /** Its sockets are lost, and new ones fail, until they are restored. */
  cutNetwork(): Promise<void>;
  restoreNetwork(): Promise<void>;
  /** What is done to its frames at the server, in place of what was said before. */
  setFaults(...faults: Fault[]): Promise<void>;
  clearFaults(): Promise<void>;
}
export const Client: abstract new () => Client;

/** Somebody with a client or a phone; what it does in a call it does in its current one. */
export interface Person extends InCall {
  readonly name: string;
  readonly identity: string | null;
  readonly number: string | null;
  readonly client: Client;
  /** Places a call; resolves at once, while it is still ringing. */
  call(to?: string | Person, options?: { params?: Record<string, string>; script?: Step[] }): Promise<Call>;
  /** The next call to this person that nobody has been given yet. */
  incoming(wait?: Wait): Promise<Call>;
  calls(): Promise<Call[]>;
  currentCall(): Promise<Call>;
  /** What incoming calls do by themselves from now on. */
  onCall(steps: Step[]): Promise<void>;
  cutNetwork(): Promise<void>;
  restoreNetwork(): Promise<void>;
  remove(): Promise<void>;
}
export const Person: abstract new () => Person;

type Times = { times?: number };
export type Behaviour =
  | 'ok'
  | 'refuses'
  | 'closesBeforeBody'
  | 'doesNotRead'
  | ({ slow: Duration } & Times)
  | ({ failing: number } & Times)
  | ({ late: Duration } & Times)
  | ({ refuses: true } & Times)
  | ({ closesBeforeBody: true } & Times)
  | ({ doesNotRead: true } & Times);

export interface EndpointAnswer {
  name?: string;
  /** The XML of each answer. */
  twiml?: string;
  status?: number;
  body?: string;
  behaviour?: Behaviour;
}

export interface RecordedRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  fields: Record<string, string>;
  body: string;
  /** Whether X-Twilio-Signature was right; null when the request was not read. */
  signatureValid: boolean | null;
  [key: string]: any;
}

/** An HTTP endpoint for voice URLs and callbacks. */
export interface Recorder {
  readonly name: string;
  readonly url: string;
  answer(answer: EndpointAnswer): Promise<void>;
  requests(): Promise<RecordedRequest[]>;
  /** The next request whose fields have these values. */
  expect(fields?: Record<string, Json>, options?: Wait & { path?: string; method?: string }): Promise<RecordedRequest>;
  remove(): Promise<void>;
}
export const Recorder: abstract new () => Recorder;

export interface Timeline {
  entries: Array<{ at: unknown; who: string; what: string; detail?: unknown }>;
  text: string;
  toString(): string;
}

export class Switchboard {
  /** A server of its own on free ports, with a folder of its own; both are gone after `stop` or when the tests end. */
  static start(options?: StartOptions): Promise<Switchboard>;
  /** A server that runs already. */
  static connect(options: ConnectOptions): Promise<Switchboard>;
  /** Not open yet; `open` does what `start` or `connect` do. */
  constructor(options?: StartOptions & ConnectOptions);
  open(): Promise<this>;
  stop(): Promise<void>;
  readonly isOpen: boolean;

  readonly accountSid: string;
  readonly authToken: string;
  readonly apiKeySid?: string;
  readonly apiKeySecret?: string;
  readonly applicationSid: string;
  readonly httpUrl: string;
  readonly httpsUrl: string;
  /** Host and port for the SDK's `chunderw`. */
  readonly signalingHost?: string;
  readonly caFile?: string;
  readonly media: string;
  readonly time: 'real' | 'virtual';

  /** A new person, registered when this resolves. */
  person(name: string, options?: PersonOptions): Promise<Person>;
  people(): Promise<Person[]>;
  client(identity: string): Client;
  cutNetwork(identity: string): Promise<void>;
  restoreNetwork(identity: string): Promise<void>;
  /** An access token for a real client. */
  token(identity: string, options?: TokenOptions): Promise<string>;
  recorder(answer?: EndpointAnswer): Promise<Recorder>;
  setVoiceUrl(url: string | { url: string }): Promise<void>;
  /** A REST request below the account, for example `rest('GET', 'Calls.json')`. */
  rest(method: string, resource: string, fields?: Record<string, string>): Promise<any>;
  timeline(call?: string | Call): Promise<Timeline>;
  /** Variables that lead programs here, as `midcall exec --print-env`; undefined is to be unset. */
  env(): Promise<Record<string, string | undefined>>;
  /** Flags for a Chromium whose pages need no options; offline: it finds localhost and this server only. */
  chromiumFlags(options?: { offline?: boolean; fakeMicrophone?: boolean }): Promise<string[]>;
  /** Everybody leaves. */
  reset(): Promise<void>;
}

/** Anything the kit complains about. */
export class MidcallError extends Error {
  readonly status?: number;
  readonly code?: number;
}

/** What was expected did not come true; the message has all of it. */
export class ExpectationError extends MidcallError {
  readonly expected: unknown;
  readonly seen: unknown[];
  readonly timeline: string;
}
