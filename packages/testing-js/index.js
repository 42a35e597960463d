'use strict';

const { Call } = require('./lib/call.js');
const { Client } = require('./lib/client.js');
const { ExpectationError, MidcallError } = require('./lib/errors.js');
const { Person } = require('./lib/person.js');
const { Recorder } = require('./lib/recorder.js');
const { Switchboard } = require('./lib/switchboard.js');

module.exports = { Call, Client, ExpectationError, MidcallError, Person, Recorder, Switchboard };
