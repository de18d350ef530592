// One RTCPeerConnection under test. A test calls these functions through WebDriver: what they return travels back as
// JSON, and a rejected promise becomes an error there. Whatever happens before a test asks for it waits in a queue.
"use strict";

// A queue whose `next()` resolves with the oldest item, now or as soon as there is one.
class Queue {
  items = [];
  waiting = [];
  push(item) {
    const resolve = this.waiting.shift();
    if (resolve) resolve(item);
    else this.items.push(item);
  }
  next() {
    if (this.items.length > 0) return Promise.resolve(this.items.shift());
    return new Promise((resolve) => this.waiting.push(resolve));
  }
  // All that is here; waits only while there is nothing.
  async batch() {
    const first = await this.next();
    return [first, ...this.items.splice(0)];
  }
}

const event = (target, name) =>
  new Promise((resolve) => target.addEventListener(name, resolve, { once: true }));

const hex = (buffer) =>
  Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

const unhex = (text) =>
  Uint8Array.from(text.match(/../g) ?? [], (digits) => parseInt(digits, 16));

const sha256 = async (bytes) => hex(await crypto.subtle.digest("SHA-256", bytes));

// The same pseudo-random bytes on both sides: xorshift32, little-endian words.
function pattern(length, seed) {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed >>> 0 || 1;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    words[index] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

const peer = {
  connection: null,
  candidates: new Queue(),
  channels: new Map(), // by label: { channel, messages: Queue, opened, closed, errors }
  arrivals: new Queue(), // labels of the channels that the other side opened
  tracks: [], // what the other side sends: { track, streams, element }
  states: [], // every state the connection went through
  jobs: new Map(), // what `start` began and `join` awaits
  samples: {}, // statistics of video that `sample` notes, by their types

  create(configuration) {
    const connection = new RTCPeerConnection(configuration ?? {});
    connection.onicecandidate = ({ candidate }) => peer.candidates.push(candidate && candidate.toJSON());
    connection.onconnectionstatechange = () => peer.states.push(connection.connectionState);
    connection.oniceconnectionstatechange = () => peer.states.push("ice " + connection.iceConnectionState);
    connection.ondatachannel = ({ channel }) => {
      peer.watch(channel);
      peer.arrivals.push(channel.label);
    };
    connection.ontrack = ({ track, streams }) => peer.show(track, streams);
    peer.connection = connection;
    return true;
  },

  // A new connection that sends the tracks of the one before.
  renew() {
    return peer.renewWith(null);
  },
  renewWith(configuration) {
    const tracks = peer.connection.getSenders().map(({ track }) => track);
    peer.connection.close();
    for (const { element } of peer.tracks.splice(0)) element.remove();
    peer.create(configuration);
    for (const track of tracks) if (track) peer.connection.addTrack(track, new MediaStream([track]));
    return true;
  },

  watch(channel) {
    const entry = { channel, messages: new Queue(), errors: [], low: 0 };
    channel.binaryType = "arraybuffer";
    channel.addEventListener("message", ({ data }) => entry.messages.push(data));
    channel.addEventListener("error", ({ error }) => entry.errors.push(String(error)));
    channel.addEventListener("bufferedamountlow", () => entry.low++);
    entry.opened = channel.readyState === "open" ? Promise.resolve() : event(channel, "open");
    entry.closed = event(channel, "close");
    peer.channels.set(channel.label, entry);
  },

  entry(label) {
    const entry = peer.channels.get(label);
    if (!entry) throw new Error(`no channel ${label}`);
    return entry;
  },

  describe(label) {
    const { channel } = peer.entry(label);
    const { id, protocol, ordered, maxRetransmits, maxPacketLifeTime, negotiated, readyState } = channel;
    return { label, id, protocol, ordered, maxRetransmits, maxPacketLifeTime, negotiated, readyState };
  },

  open(label, options) {
    peer.watch(peer.connection.createDataChannel(label, options ?? {}));
    return true;
  },

  // Descriptions: complete, with every candidate inside, or at once, with candidates to follow.
  async settle(trickle) {
    const { connection } = peer;
    while (!trickle && connection.iceGatheringState !== "complete") {
      await event(connection, "icegatheringstatechange");
    }
    return connection.localDescription.toJSON();
  },
  async offer(trickle, options) {
    await peer.connection.setLocalDescription(await peer.connection.createOffer(options ?? {}));
    return peer.settle(trickle);
  },
  async answer(offer, trickle) {
    await peer.connection.setRemoteDescription(offer);
    await peer.connection.setLocalDescription(await peer.connection.createAnswer());
    return peer.settle(trickle);
  },
  async accept(answer) {
    await peer.connection.setRemoteDescription(answer);
    return true;
  },
  nextCandidates() {
    return peer.candidates.batch();
  },
  async addCandidate(candidate) {
    await peer.connection.addIceCandidate(candidate);
    return true;
  },

  nextChannel() {
    return peer.arrivals.next();
  },
  async opened(label) {
    await peer.entry(label).opened;
    return peer.describe(label);
  },
  async closed(label) {
    const { channel, closed } = peer.entry(label);
    if (channel.readyState !== "closed") await closed;
    return true;
  },
  close(label) {
    peer.entry(label).channel.close();
    return true;
  },
  closeConnection() {
    peer.connection.close();
    return true;
  },

  // A message is { text } or { hex }, or for long ones { text | binary: length, seed }.
  message({ text, hex: digits, binary, letters, seed }) {
    if (text !== undefined) return text;
    if (digits !== undefined) return unhex(digits);
    if (letters !== undefined) return "a".repeat(letters);
    return pattern(binary, seed);
  },
  // The other side may use a channel before it is open here.
  async send(label, ...messages) {
    const { channel, opened } = peer.entry(label);
    await opened;
    for (const message of messages) channel.send(peer.message(message));
    return channel.bufferedAmount;
  },
  async received(data) {
    if (typeof data === "string") {
      const bytes = new TextEncoder().encode(data);
      return data.length <= 1000 ? { text: data } : { kind: "text", length: bytes.length, sha256: await sha256(bytes) };
    }
    return data.byteLength <= 1000
      ? { hex: hex(data) }
      : { kind: "binary", length: data.byteLength, sha256: await sha256(data) };
  },
  async receive(label) {
    return peer.received(await peer.entry(label).messages.next());
  },
  // Sends whatever arrives straight back.
  echo(label) {
    const { channel, messages } = peer.entry(label);
    for (const data of messages.items.splice(0)) channel.send(data);
    channel.addEventListener("message", ({ data }) => channel.send(data));
    return true;
  },

  // `total` bytes in messages of `size`, never more than 1 MiB waiting to be sent; resolves with their SHA-256.
  async sendBulk(label, total, size, seed) {
    const { channel, opened } = peer.entry(label);
    await opened;
    const bytes = pattern(total, seed);
    channel.bufferedAmountLowThreshold = 256 * 1024;
    for (let offset = 0; offset < total; offset += size) {
      while (channel.bufferedAmount > 1024 * 1024) await event(channel, "bufferedamountlow");
      channel.send(bytes.subarray(offset, Math.min(offset + size, total)));
    }
    return sha256(bytes);
  },
  async receiveBulk(label, total) {
    const { messages } = peer.entry(label);
    const bytes = new Uint8Array(total);
    let offset = 0;
    while (offset < total) {
      const data = new Uint8Array(await messages.next());
      bytes.set(data, offset);
      offset += data.length;
    }
    return sha256(bytes);
  },

  // Sends a fake camera or microphone; the names of what is sent.
  async capture(constraints) {
    const stream = await navigator.mediaDevices.getUserMedia(constraints);
    for (const track of stream.getTracks()) peer.connection.addTrack(track, stream);
    return stream.getTracks().map(({ kind, id }) => ({ kind, id, stream: stream.id }));
  },
  // Sends a picture of which every part is new in every frame, so that encoders can use much; but of little contrast, so
  // that they can do with little.
  captureNoise(width, height, frameRate) {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    const words = new Uint32Array(image.data.buffer);
    const [side, across] = [8, Math.ceil(width / 8)];
    const draw = () => {
      const colours = pattern(4 * across * Math.ceil(height / side), 1 + Math.floor(Math.random() * 2 ** 31));
      const blocks = new Uint32Array(colours.buffer);
      for (let place = 0; place < words.length; place++) {
        const [x, y] = [place % width, Math.floor(place / width)];
        const colour = blocks[Math.floor(y / side) * across + Math.floor(x / side)] & 0x3f3f3f;
        words[place] = colour + 0x606060 + 0xff000000;
      }
      context.putImageData(image, 0, 0);
    };
    draw();
    setInterval(draw, 1000 / frameRate);
    document.body.append(canvas);
    const stream = canvas.captureStream(frameRate);
    for (const track of stream.getTracks()) peer.connection.addTrack(track, stream);
    return true;
  },
  // Sends a fake camera in several layers at once, each half as large as the one before; in one codec, if it is named.
  async captureLayers(rids, codec, video) {
    const stream = await navigator.mediaDevices.getUserMedia({ video: video ?? { width: 1280, height: 720 } });
    // Without a mode, layers of VP9 are not streams of their own in Chromium.
    const mode = codec === undefined ? {} : { scalabilityMode: "L1T1" };
    const sendEncodings = rids.map((rid, index) => ({ rid, scaleResolutionDownBy: 2 ** index, ...mode }));
    const [track] = stream.getVideoTracks();
    const transceiver = peer.connection.addTransceiver(track, { streams: [stream], sendEncodings });
    if (codec !== undefined) {
      const names = [`video/${codec}`, "video/rtx"].map((name) => name.toLowerCase());
      const { codecs } = RTCRtpReceiver.getCapabilities("video");
      transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => names.includes(mimeType.toLowerCase())));
    }
    return true;
  },
  // Uses these codecs for what is sent and received of one kind, the first by preference.
  preferCodecs(kind, names) {
    const { codecs } = RTCRtpReceiver.getCapabilities(kind);
    const chosen = names.flatMap((name) => codecs.filter(({ mimeType }) => mimeType.toLowerCase() === name));
    const isOfKind = ({ receiver }) => receiver.track.kind === kind;
    for (const one of peer.connection.getTransceivers().filter(isOfKind)) one.setCodecPreferences(chosen);
    return chosen.length;
  },
  // Asks for a track of one kind, in these codecs.
  wants(kind, names) {
    peer.connection.addTransceiver(kind, { direction: "recvonly" });
    return peer.preferCodecs(kind, names);
  },
  // The names of the codecs that the browser says it can send, or receive.
  capable(direction, kind) {
    const side = direction === "send" ? RTCRtpSender : RTCRtpReceiver;
    return [...new Set(side.getCapabilities(kind).codecs.map(({ mimeType }) => mimeType.split("/")[1]))];
  },
  // Presses these keys; which were pressed in the end.
  async insertDtmf(tones, duration, gap) {
    const { dtmf } = peer.connection.getSenders().find(({ track }) => track?.kind === "audio");
    while (!dtmf.canInsertDTMF) await new Promise((resolve) => setTimeout(resolve, 20));
    const pressed = [];
    const done = new Promise((resolve) => {
      dtmf.ontonechange = ({ tone }) => (tone === "" ? resolve() : pressed.push(tone));
    });
    dtmf.insertDTMF(tones, duration, gap);
    await done;
    return pressed.join("");
  },
  // Ceases to send what is sent of one kind, without negotiation; or sends it again.
  async pauseSending(kind, isPaused) {
    for (const sender of peer.connection.getSenders()) {
      if ((sender.track ?? sender.paused)?.kind !== kind) continue;
      sender.paused ??= sender.track;
      await sender.replaceTrack(isPaused ? null : sender.paused);
    }
    return true;
  },
  // Changes what is done with the camera: `add`, `remove`; `pause`, `hold` and `resume`, which are directions; `mute` and
  // `unmute`, which need no negotiation.
  async camera(change) {
    const { connection } = peer;
    if (change === "add") return (await peer.capture({ video: true })).length === 1;
    const isCamera = ({ sender }) => (sender.track ?? sender.paused)?.kind === "video";
    const transceiver = connection.getTransceivers().find(isCamera);
    const directions = { pause: "recvonly", hold: "inactive", resume: "sendrecv" };
    if (change === "remove") {
      connection.removeTrack(transceiver.sender);
      delete transceiver.sender.paused;
    } else if (change in directions) transceiver.direction = directions[change];
    else await peer.pauseSending("video", change === "mute");
    return true;
  },
  // Perfect negotiation (W3C WebRTC 1.0, section 10.7): `offered` takes the offers that changes lead to, and `hear` is
  // told what the other side says, and what this side answers; null: nothing.
  negotiatePerfectly() {
    peer.offers = new Queue();
    peer.connection.onnegotiationneeded = async () => {
      await peer.connection.setLocalDescription();
      peer.offers.push(await peer.settle(false));
    };
    return true;
  },
  nextOffer() {
    return peer.offers.next();
  },
  takeOffer() {
    return peer.offers.items.shift() ?? null;
  },
  async hear(description, isPolite) {
    const { connection } = peer;
    const isOffer = description.type === "offer";
    if (isOffer && connection.signalingState !== "stable" && !isPolite) return null;
    await connection.setRemoteDescription(description);
    if (!isOffer) return null;
    peer.offers.items = []; // what was offered here is taken back
    await connection.setLocalDescription();
    return peer.settle(false);
  },
  // How far the exchange is, and what each transceiver does.
  negotiated() {
    const { signalingState, localDescription, remoteDescription } = peer.connection;
    const transceivers = peer.connection
      .getTransceivers()
      .map(({ mid, direction, currentDirection }) => ({ mid, direction, currentDirection }));
    return { signalingState, local: localDescription.sdp, remote: remoteDescription.sdp, transceivers };
  },
  // Plays what arrives, each track in an element of its own.
  show(track, streams) {
    const element = document.createElement(track.kind);
    Object.assign(element, { autoplay: true, muted: track.kind === "video", playsInline: true, controls: true });
    element.srcObject = new MediaStream([track]);
    document.body.append(element);
    element.play().catch(() => {}); // `playing` tells whether it plays
    peer.tracks.push({ track, streams: streams.map(({ id }) => id), element });
  },
  // What came so far: kinds, names and streams.
  shown() {
    return peer.tracks.map(({ track, streams }) => ({ kind: track.kind, id: track.id, streams }));
  },
  // Waits until a picture of another size than none plays, and says its size.
  async playing(index) {
    const { element } = peer.tracks.filter(({ track }) => track.kind === "video")[index ?? 0];
    while (!(element.videoWidth > 2 && element.currentTime > 0)) await new Promise(requestAnimationFrame);
    return [element.videoWidth, element.videoHeight];
  },
  // The frequency that dominates what is heard, in Hz; null where the browser has no sound device to run an analyser on.
  async heard() {
    const { track } = peer.tracks.find(({ track }) => track.kind === "audio");
    const context = new AudioContext();
    await Promise.race([context.resume(), new Promise((resolve) => setTimeout(resolve, 2000))]);
    if (context.state !== "running") return null;
    const analyser = context.createAnalyser();
    analyser.fftSize = 8192;
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const levels = new Float32Array(analyser.frequencyBinCount);
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      analyser.getFloatFrequencyData(levels);
      const loudest = levels.reduce((best, level, index) => (level > levels[best] ? index : best), 0);
      if (levels[loudest] > -60) return (loudest * context.sampleRate) / analyser.fftSize;
    }
  },
  // Records what is heard for so long, as a file in hexadecimal digits. It takes no sound device.
  async record(milliseconds) {
    const { track } = peer.tracks.find(({ track }) => track.kind === "audio");
    const recorder = new MediaRecorder(new MediaStream([track]));
    const pieces = [];
    recorder.addEventListener("dataavailable", ({ data }) => pieces.push(data));
    const stopped = event(recorder, "stop");
    recorder.start();
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    recorder.stop();
    await stopped;
    return hex(await new Blob(pieces).arrayBuffer());
  },
  // The statistics of one type and kind of media, the latest of each stream.
  async mediaStats(type, kind) {
    const report = await peer.connection.getStats();
    return [...report.values()].filter((one) => one.type === type && one.kind === kind);
  },
  // Notes statistics of video from now on, every so many milliseconds; `sampled` hands out what was noted since.
  sample(type, interval) {
    const samples = (peer.samples[type] = []);
    const take = async () => {
      for (const { connection } = peer; connection.connectionState !== "closed"; ) {
        const streams = await peer.mediaStats(type, "video");
        if (streams.length > 0) samples.push({ at: streams[0].timestamp, streams });
        await new Promise((resolve) => setTimeout(resolve, interval));
      }
    };
    take();
    return true;
  },
  sampled(type) {
    return peer.samples[type].splice(0);
  },
  // The time, as statistics give it.
  clock() {
    return performance.timeOrigin + performance.now();
  },
  // All statistics, by their names.
  async report() {
    return Object.fromEntries(await peer.connection.getStats());
  },

  async connectionState(wanted) {
    while (peer.connection.connectionState !== wanted) await event(peer.connection, "connectionstatechange");
    return peer.states;
  },
  maxMessageSize() {
    return peer.connection.sctp.maxMessageSize;
  },
  lows(label) {
    return peer.entry(label).low;
  },
  errors(label) {
    return peer.entry(label).errors;
  },
  // The pair of candidates in use, once it is agreed: [local, remote], each with its kind and address. Data may flow
  // before the controlling side has nominated a pair, and no event of both browsers tells when it has.
  async selectedPair() {
    const isSelected = ({ type, nominated, state }) => type === "candidate-pair" && nominated && state === "succeeded";
    let report, pair;
    while (!pair) {
      if (report) await new Promise((resolve) => setTimeout(resolve, 50));
      report = await peer.connection.getStats();
      pair = [...report.values()].find(isSelected);
    }
    return [pair.localCandidateId, pair.remoteCandidateId].map((id) => {
      const { candidateType, address, port } = report.get(id);
      return { candidateType, address, port };
    });
  },

  // Begins a call and returns at once; `join` waits for its result. WebDriver runs one script at a time.
  start(name, args) {
    const job = peer.jobs.size + 1;
    const promise = Promise.resolve().then(() => peer[name](...args));
    promise.catch(() => {}); // it is reported by `join`
    peer.jobs.set(job, promise);
    return job;
  },
  join(job) {
    return peer.jobs.get(job);
  },
};

// Firefox runs WebDriver's scripts in a scope of their own, which sees what the window holds but not its constants.
window.peer = peer;
