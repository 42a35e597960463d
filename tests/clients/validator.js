// Official validators of the Node helper library, as one long-lived process: a JSON line in, a JSON line out.
// In: {token, signature, protocol, host, target, method, type, body}. Out: name of the way to validate -> accepted.
'use strict';

const querystring = require('node:querystring');
const readline = require('node:readline');
const twilio = require('twilio');

// What express.urlencoded() and express.json() make of a body; without the fitting one, express leaves {}.
const parsers = {
  form: (request) => (request.type.startsWith('application/x-www-form-urlencoded') ? { ...querystring.parse(request.body) } : {}),
  json: (request) => (request.type.startsWith('application/json') ? JSON.parse(request.body) : {}),
};
const withForms = (request) => parsers.form(request);
const withBoth = (request) => ({ ...parsers.form(request), ...parsers.json(request) });

function expressRequest(request, body) {
  const headers = { host: request.host, 'x-twilio-signature': request.signature };
  return {
    protocol: request.protocol,
    originalUrl: request.target,
    headers,
    body,
    rawBody: request.body,
    header: (name) => headers[name.toLowerCase()],
  };
}

function middlewareStatus(request, body) {
  let status = 200;
  const response = {
    type: () => response,
    status: (code) => {
      status = code;
      return response;
    },
    send: () => response,
  };
  twilio.webhook({}, request.token)(expressRequest(request, body), response, () => {});
  return status;
}

function verdicts(request) {
  const url = `${request.protocol}://${request.host}${request.target}`;
  const both = withBoth(request);
  return {
    validateRequest: twilio.validateRequest(request.token, request.signature, url, both),
    validateExpressRequest: twilio.validateExpressRequest(expressRequest(request, both), request.token),
    webhook: middlewareStatus(request, both) === 200,
    'webhook, forms only': middlewareStatus(request, withForms(request)) === 200,
  };
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  process.stdout.write(`${JSON.stringify(verdicts(JSON.parse(line)))}\n`);
});
