// One implementation for both module systems, so that `instanceof` holds between them.
import kit from './index.js';

export const { Call, Client, ExpectationError, MidcallError, Person, Recorder, Switchboard } = kit;
