// What the feature's documentation shows for Node: one message to a call, then a subscription to its messages.
// Usage: node sample.js CALL_SID CALLBACK_URL
const twilio = require('twilio');

const [callSid, callback] = process.argv.slice(2);
const client = twilio(process.env.TWILIO_ACCOUNT_SID, process.env.TWILIO_AUTH_TOKEN);

async function main() {
  const content = JSON.stringify({ from: 'a Node server' });
  const message = await client.calls(callSid).userDefinedMessages.create({ content });
  console.log(message.accountSid);

  const subscription = await client.calls(callSid).userDefinedMessageSubscriptions.create({ callback, method: 'POST' });
  console.log(subscription.accountSid);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
