// A page whose signalling can be lost: the SDK is loaded after this and uses it as the browser's own WebSocket.
// Also keeps the peer connections, so that a call's media can be measured without reaching into the SDK, sends their audio
// through a relay (window.mediaRelay) where a test has one, and tells what the page decodes and plays with Web Audio.
(() => {
  'use strict';
  const RealWebSocket = window.WebSocket;
  const RealPeerConnection = window.RTCPeerConnection;
  const sockets = new Set();
  const peers = new Set();
  let online = true;

  class LossyWebSocket extends RealWebSocket {
    #cut = false;

    constructor(url, protocols = []) {
      // The browser's resolver knows no such host: the attempt fails as it does with no network.
      super(online ? url : 'wss://offline.invalid/', protocols);
      sockets.add(this);
      const swallow = (event) => {
        if (this.#cut && event.isTrusted) event.stopImmediatePropagation();
      };
      for (const name of ['message', 'error', 'close']) this.addEventListener(name, swallow);
      this.addEventListener('close', () => sockets.delete(this));
    }

    // The page sees the loss at once and as a loss (1006); what was on its way to it is gone.
    cut() {
      if (this.#cut) return;
      this.#cut = true;
      sockets.delete(this);
      this.close();
      this.dispatchEvent(new CloseEvent('close', { code: 1006, reason: '', wasClean: false }));
    }
  }

  // A description whose candidates are the relay's.
  async function relayed({ type, sdp }) {
    const lines = sdp.split('\r\n').map(async (line) => {
      const fields = line.split(' ');
      if (line.startsWith('a=candidate:')) fields[5] = await window.mediaRelay(fields[4], Number(fields[5]));
      return fields.join(' ');
    });
    return { type, sdp: (await Promise.all(lines)).join('\r\n') };
  }

  class WatchedPeerConnection extends RealPeerConnection {
    constructor(...args) {
      super(...args);
      peers.add(this);
    }

    async setRemoteDescription(description, ...more) {
      return super.setRemoteDescription(window.mediaRelay ? await relayed(description) : description, ...more);
    }

    close() {
      super.close();
      peers.delete(this);
    }
  }

  const realDecode = BaseAudioContext.prototype.decodeAudioData;
  BaseAudioContext.prototype.decodeAudioData = function decodeAudioData(...args) {
    const decoding = realDecode.apply(this, args);
    decoding.then(
      ({ duration }) => window.network.onSound('sound decoded', duration),
      (error) => window.network.onSound('sound broken', String(error)),
    );
    return decoding;
  };

  const realStart = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function start(...args) {
    realStart.apply(this, args);
    window.network.onSound('sound started', this.buffer?.duration);
  };

  window.WebSocket = LossyWebSocket;
  window.RTCPeerConnection = WatchedPeerConnection;
  window.network = {
    set(on) {
      online = on;
      if (!on) for (const socket of [...sockets]) socket.cut();
    },
    onSound() {},
    openSockets: () => [...sockets].filter((socket) => socket.readyState === RealWebSocket.OPEN).length,
    peerOf(stream) {
      const tracks = stream.getTracks();
      return [...peers].find((peer) => peer.getReceivers().some(({ track }) => tracks.includes(track)));
    },
  };
})();
