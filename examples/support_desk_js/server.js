// Starts the desk: PORT says where, the usual TWILIO_… variables say with which account.
import twilio from 'twilio';
import { createApp } from './app.js';
import { Desk } from './desk.js';

const app = createApp({ desk: new Desk({ client: twilio() }), environment: process.env });
const server = app.listen(Number(process.env.PORT ?? 3000), () => {
  console.log(`The desk is open at http://localhost:${server.address().port}`);
});
