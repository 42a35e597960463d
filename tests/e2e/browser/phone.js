// window.phone: one Device and its calls, driven by a test through plain values, with everything that happened kept.
(() => {
  'use strict';
  const DEVICE_EVENTS = ['destroyed', 'error', 'incoming', 'registered', 'registering', 'tokenWillExpire', 'unregistered'];
  const CALL_EVENTS = [
    'accept', 'audio', 'cancel', 'disconnect', 'error', 'messageReceived', 'messageSent', 'mute', 'reconnected',
    'reconnecting', 'reject', 'ringing', 'sample', 'warning', 'warning-cleared',
  ];
  const PREFLIGHT_EVENTS = ['completed', 'connected', 'failed', 'sample', 'warning'];

  const events = []; // {n, ms, call: index or null, status of the call, name, data: first argument, more: the others}
  const calls = [];
  const waiters = new Set();
  let device = null;
  let preflight = null;
  let volumes = 0; // 'volume' comes twenty times a second: counted, and only the newest are kept
  const VOLUMES_KEPT = 100;
  const newestVolumes = []; // of each call: [input, output]

  const plainError = (error) => ({
    name: error.name,
    code: error.code,
    message: error.message,
    cause: error.originalError
      ? { code: error.originalError.code, message: error.originalError.message ?? String(error.originalError) }
      : undefined,
  });

  function plain(value) {
    if (value === undefined || value === null) return null;
    if (value instanceof Twilio.Device) return 'device'; // it holds the token
    if (value instanceof Twilio.Call) return { call: calls.indexOf(value) };
    if (value instanceof Error) return plainError(value);
    if (value instanceof Map) return Object.fromEntries(value);
    if (typeof value === 'object' && typeof value.code === 'number' && 'message' in value) return plainError(value);
    try {
      return JSON.parse(JSON.stringify(value));
    } catch {
      return String(value);
    }
  }

  function record(call, name, args) {
    const data = args.map(plain);
    const status = call === null ? null : calls[call].status();
    events.push({
      n: events.length, ms: Math.round(performance.now()), call, status, name, data: data[0] ?? null, more: data.slice(1),
    });
    for (const waiter of [...waiters]) waiter();
  }

  function adopt(call) {
    const index = calls.push(call) - 1;
    listen(index);
    return index;
  }

  function listen(index) {
    const call = calls[index];
    for (const name of CALL_EVENTS) call.on(name, (...args) => record(index, name, args));
    newestVolumes[index] = [];
    call.on('volume', (...loud) => {
      volumes += 1;
      newestVolumes[index].push(loud);
      if (newestVolumes[index].length > VOLUMES_KEPT) newestVolumes[index].shift();
    });
  }

  function callAt(index) {
    if (!calls[index]) throw new Error(`there is no call ${index} on this phone, it has ${calls.length}`);
    return calls[index];
  }

  async function inbound(call) {
    const stream = call.getRemoteStream();
    const peer = stream && network.peerOf(stream);
    if (!peer) return null;
    const stats = [...(await peer.getStats()).values()];
    const rtp = stats.find((entry) => entry.type === 'inbound-rtp' && entry.kind === 'audio');
    if (!rtp) return null;
    const codec = stats.find((entry) => entry.id === rtp.codecId);
    return {
      packets: rtp.packetsReceived,
      lost: rtp.packetsLost,
      energy: rtp.totalAudioEnergy ?? 0,
      level: rtp.audioLevel ?? 0,
      codec: codec ? codec.mimeType : null,
    };
  }

  async function hear(index, ms) {
    const call = callAt(index);
    const before = await inbound(call);
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 4096;
    const stream = call.getRemoteStream();
    if (stream) context.createMediaStreamSource(stream).connect(analyser);
    const bins = new Float32Array(analyser.frequencyBinCount);
    const samples = new Float32Array(analyser.fftSize);
    let loudest = { db: -Infinity, hz: 0 };
    let peak = 0;
    const end = performance.now() + ms;
    while (performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      analyser.getFloatTimeDomainData(samples);
      for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
      analyser.getFloatFrequencyData(bins);
      bins.forEach((db, bin) => {
        if (db > loudest.db) loudest = { db, hz: (bin * context.sampleRate) / analyser.fftSize };
      });
    }
    await context.close();
    const after = await inbound(call);
    return {
      packets: (after?.packets ?? 0) - (before?.packets ?? 0),
      lost: (after?.lost ?? 0) - (before?.lost ?? 0),
      energy: (after?.energy ?? 0) - (before?.energy ?? 0),
      peak,
      hz: Math.round(loudest.hz),
      codec: after?.codec ?? before?.codec ?? null,
    };
  }

  window.addEventListener('error', ({ message }) => record(null, 'page error', [message]));
  window.addEventListener('unhandledrejection', ({ reason }) => record(null, 'page rejection', [String(reason?.message ?? reason)]));

  window.network.onSound = (name, duration) => record(null, name, [duration]);

  // sounds.incoming is a local file, or the ringtone would delay every incoming call by 2 s.
  function pointed(token, host, { sounds = {}, ...rest }) {
    return new Twilio.Device(token, {
      chunderw: host,
      logLevel: 'silent',
      sounds: { incoming: `${location.origin}/incoming.wav`, ...sounds },
      ...rest,
    });
  }

  function unpointed(token, options) {
    return Object.keys(options).length ? new Twilio.Device(token, options) : new Twilio.Device(token);
  }

  window.phone = {
    // options are the SDK's own; host null leaves all hosts to the SDK, and without options it gets none at all.
    start(token, host, options = {}) {
      device = host === null ? unpointed(token, options) : pointed(token, host, options);
      for (const name of DEVICE_EVENTS) {
        device.on(name, (...args) => {
          if (name === 'incoming') adopt(args[0]);
          record(null, name, args);
        });
      }
    },

    // Its events are kept as `preflight: NAME` of the device.
    preflight(token, host, options = {}) {
      preflight = Twilio.Device.runPreflight(token, { chunderw: host, logLevel: 'silent', ...options });
      for (const name of PREFLIGHT_EVENTS) preflight.on(name, (...args) => record(null, `preflight: ${name}`, args));
    },
    stopPreflight: () => preflight.stop(),

    version: () => Twilio.Device.version,
    register: () => device.register(),
    unregister: () => device.unregister(),
    destroy: () => device.destroy(),
    updateToken: (token) => device.updateToken(token),
    updateOptions: (options) => device.updateOptions(options),
    device: () => ({ state: device.state, identity: device.identity, edge: device.edge, home: device.home, isBusy: device.isBusy }),
    deviceFacts: () => ({
      ...phone.device(),
      calls: device.calls.map((call) => calls.indexOf(call)),
      token: device.token,
      audio: !!device.audio,
    }),

    // What a function of this object does when it is called as a page would call it: {value}, or {thrown} with a name.
    async attempt(name, args) {
      try {
        return { value: await window.phone[name](...args) };
      } catch (error) {
        return { thrown: error instanceof Error ? plainError(error) : { name: String(error), message: String(error) } };
      }
    },

    // The SDK's enumerations, and the names of what its classes have.
    statics() {
      const enums = (owner, names) => Object.fromEntries(names.map((name) => [name, plain(owner[name])]));
      const names = (object) => Object.getOwnPropertyNames(object).filter((name) => !name.startsWith('_')).sort();
      return {
        call: enums(Twilio.Call, [
          'State', 'CallDirection', 'Codec', 'FeedbackScore', 'FeedbackIssue', 'IceGatheringFailureReason', 'MediaFailure',
        ]),
        device: enums(Twilio.Device, ['EventName', 'State', 'SoundName']),
        callMembers: names(Twilio.Call.prototype),
        deviceMembers: names(Twilio.Device.prototype),
        audioMembers: names(Object.getPrototypeOf(device.audio)),
        isSupported: Twilio.Device.isSupported,
        packageName: Twilio.Device.packageName,
        version: Twilio.Device.version,
      };
    },
    callText: (index) => callAt(index).toString(),
    deviceText: () => device.toString(),
    removeAllListeners: (index) => callAt(index).removeAllListeners(),
    listen,

    // From now on the microphone hears nothing.
    silenceMicrophone() {
      navigator.mediaDevices.getUserMedia = async () => new AudioContext().createMediaStreamDestination().stream;
    },

    async audio() {
      const { audio } = device;
      // the browser is asked for its devices when the helper is made
      while (!audio.availableInputDevices.size) await new Promise((resolve) => setTimeout(resolve, 20));
      const inputs = [...audio.availableInputDevices.keys()];
      await audio.setAudioConstraints({ echoCancellation: true });
      await audio.setInputDevice(inputs[0]);
      await audio.unsetAudioConstraints();
      const input = audio.inputDevice.deviceId;
      await audio.unsetInputDevice();
      return { inputs, outputs: [...audio.availableOutputDevices.keys()], input };
    },

    // What becomes of each step with processors of sound: 'ok', or the name of what is thrown.
    async processors() {
      const { audio } = device;
      const makes = () => ({ createProcessedStream: async (stream) => stream, destroyProcessedStream: async () => {} });
      const [one, other] = [makes(), makes()];
      const steps = [
        () => audio.addProcessor(null),
        () => audio.addProcessor({}),
        () => audio.removeProcessor(one),
        () => audio.addProcessor(one),
        () => audio.addProcessor(other),
        () => audio.removeProcessor(other),
        () => audio.addProcessor(other, true),
        () => audio.removeProcessor(one),
        () => audio.addProcessor(other),
      ];
      const outcomes = [];
      for (const step of steps) {
        try {
          await step();
          outcomes.push('ok');
        } catch (error) {
          outcomes.push(error.name);
        }
      }
      return outcomes;
    },
    setInput: (id) => device.audio.setInputDevice(id),
    sounds: () => [device.audio.incoming(), device.audio.outgoing(false), device.audio.outgoing(), device.audio.disconnect()],

    connect: async (options) => adopt(await device.connect(options)),
    accept: (index, options) => callAt(index).accept(options),
    reject: (index) => callAt(index).reject(),
    ignore: (index) => callAt(index).ignore(),
    disconnect: (index) => callAt(index).disconnect(),
    disconnectAll: () => device.disconnectAll(),
    mute: (index, on) => callAt(index).mute(on),
    sendDigits: (index, digits) => callAt(index).sendDigits(digits),
    sendMessage: (index, message) => callAt(index).sendMessage(message),
    sendMessages: (index, contents) =>
      contents.map((content) => callAt(index).sendMessage({ content, messageType: 'user-defined-message' })),
    postFeedback: (index, score, issue) => callAt(index).postFeedback(score, issue),
    status: (index) => callAt(index).status(),
    call: (index) => {
      const call = callAt(index);
      return {
        status: call.status(),
        direction: call.direction,
        codec: call.codec,
        parameters: plain(call.parameters),
        customParameters: plain(call.customParameters),
        callerInfo: plain(call.callerInfo),
        connectToken: call.connectToken,
        muted: call.isMuted(),
        streams: { local: !!call.getLocalStream(), remote: !!call.getRemoteStream() },
        outboundConnectionId: call.outboundConnectionId,
      };
    },
    hear,

    network: (on) => network.set(on),
    openSockets: () => network.openSockets(),

    // The count-th event of that name, past or to come, on a call or (null) on the device; null after the timeout.
    waitFor(index, name, timeoutMs, count = 1) {
      const find = () => events.filter((event) => event.call === index && event.name === name)[count - 1];
      return new Promise((resolve) => {
        const finish = (event) => {
          waiters.delete(check);
          clearTimeout(timer);
          resolve(event ?? null);
        };
        const check = () => {
          const event = find();
          if (event) finish(event);
        };
        const timer = setTimeout(finish, timeoutMs);
        waiters.add(check);
        check();
      });
    },
    timeline: () => events,
    volumes: () => volumes,
    volumesOf: (index) => newestVolumes[index],
  };
})();
