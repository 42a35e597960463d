// The service worker of an extension: it registers a device and is called. It has no WebRTC, so a page takes its calls.
/* global Twilio */
importScripts('twilio.js');

self.happened = []; // names of events, the device's and its calls'
self.token = null; // connectToken of the newest call
const waiters = new Set();

function record(name) {
  self.happened.push(name);
  for (const check of [...waiters]) check();
}

self.happens = (name) =>
  new Promise((resolve) => {
    const check = () => {
      if (!self.happened.includes(name)) return;
      waiters.delete(check);
      resolve();
    };
    waiters.add(check);
    check();
  });

self.start = async (token, host) => {
  const device = new Twilio.Device(token, { chunderw: host, logLevel: 'silent' });
  for (const name of ['registered', 'unregistered']) device.on(name, () => record(name));
  device.on('error', (error) => record(`error ${error.code}`));
  device.on('incoming', (call) => {
    self.token = call.connectToken;
    for (const name of ['cancel', 'disconnect', 'error']) call.on(name, () => record(`call ${name}`));
    record('incoming');
  });
  await device.register();
};
