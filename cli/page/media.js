// A connection for pictures and sound: the program offers, this page answers.

/** Tells `state`, `stream` (a MediaStream that arrived, with its transceiver), `problem` and `ended` in events. */
export class MediaConnection extends EventTarget {
  /** `attach` is given the connection once the offer is known, to add what is sent. */
  constructor(path, attach = () => {}) {
    super();
    this.attach = attach;
    this.peer = new RTCPeerConnection();
    this.queue = Promise.resolve();
    this.peer.addEventListener("connectionstatechange", () => this.tell("state", this.peer.connectionState));
    this.peer.addEventListener("track", ({ streams, transceiver }) => {
      this.tell("stream", { stream: streams[0], transceiver });
    });
    this.peer.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate) this.send({ is: "candidate", candidate: candidate.toJSON() });
    });
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}${path}`);
    this.socket.addEventListener("message", (event) => {
      // One after another: a candidate must not overtake the description before it.
      this.queue = this.queue.then(() => this.hear(JSON.parse(event.data))).catch((error) => this.fail(error));
    });
    this.socket.addEventListener("close", () => {
      if (!this.closed) this.tell("problem", "The program has ended the connection, or cannot be reached.");
      this.close();
    });
    this.tell("state", "connecting");
  }

  async hear(message) {
    if (message.is === "problem") {
      this.tell("problem", message.problem);
    } else if (message.is === "ended") {
      this.tell("ended");
      this.close();
    } else if (message.is === "description") {
      await this.peer.setRemoteDescription(message.description);
      await this.attach(this.peer);
      await this.peer.setLocalDescription();
      this.send({ is: "description", description: this.peer.localDescription });
    }
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  fail(error) {
    this.tell("problem", String(error.message ?? error));
    this.close();
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    this.peer.close();
    this.socket.close();
    this.tell("state", "closed");
  }

  tell(type, detail) {
    // Listeners are added right after construction.
    queueMicrotask(() => this.dispatchEvent(new CustomEvent(type, { detail })));
  }
}

/** A camera, a microphone, or both, as far as there are any. Throws an error that people understand. */
export async function devices(wanted) {
  if (!navigator.mediaDevices) {
    throw new Error("Browsers give cameras only to pages from their own machine (localhost) or with https.");
  }
  const attempts = [wanted, ...Object.keys(wanted).map((kind) => ({ [kind]: wanted[kind] }))];
  let problem;
  for (const attempt of attempts) {
    try {
      return await navigator.mediaDevices.getUserMedia(attempt);
    } catch (error) {
      problem = error;
      // Who says no to both is not asked once more for each.
      if (error.name === "NotAllowedError") break;
    }
  }
  const words = {
    NotAllowedError: "it was not allowed. The browser's settings of this site can allow it",
    NotFoundError: "none was found",
    NotReadableError: "another program uses it",
  };
  throw new Error(`No camera or microphone: ${words[problem.name] ?? problem.message}.`);
}

export const bits = (perSecond) =>
  perSecond >= 1e6 ? `${(perSecond / 1e6).toFixed(1)} Mbit/s` : `${Math.round(perSecond / 1e3)} kbit/s`;

/** What getStats says of one picture, as differences over the last seconds. */
export class Measure {
  /** `sender` sends the same picture the other way, where there is one. */
  constructor(peer, receiver, sender) {
    Object.assign(this, { peer, receiver, sender, before: [] });
  }

  /** To be called each second. Numbers that are not known are null. */
  async take() {
    const [inbound, all] = await Promise.all([this.receiver.getStats(), this.peer.getStats()]);
    const find = (report, type, more = () => true) =>
      [...report.values()].find((one) => one.type === type && (one.kind ?? "video") === "video" && more(one));
    const sent = this.sender?.track ? await this.sender.getStats() : new Map();
    const video = find(inbound, "inbound-rtp");
    const heard = find(sent, "remote-inbound-rtp");
    const pair = find(all, "candidate-pair", (one) => one.nominated && one.state === "succeeded");
    const now = {
      time: video?.timestamp ?? performance.now(),
      bytes: video?.bytesReceived ?? 0,
      received: video?.packetsReceived ?? 0,
      lost: video?.packetsLost ?? 0,
      sent: find(sent, "outbound-rtp")?.packetsSent ?? 0,
      lostThere: heard?.packetsLost ?? 0,
      frames: video?.framesDecoded ?? 0,
    };
    const last = this.before.at(-1) ?? now;
    // Loss is seldom; over five seconds there is enough of it to tell.
    this.before = [...this.before, now].slice(-6);
    const first = this.before[0];
    const part = (lost, all) => (all > 0 ? Math.min(1, Math.max(0, lost / all)) : null);
    const seconds = (now.time - last.time) / 1000;
    const lost = now.lost - first.lost;
    return {
      size: video?.frameWidth ? [video.frameWidth, video.frameHeight] : null,
      rate: seconds > 0 ? (now.frames - last.frames) / seconds : null,
      bits: seconds > 0 ? ((now.bytes - last.bytes) * 8) / seconds : null,
      lossIn: part(lost, lost + now.received - first.received),
      lossOut: this.sender?.track ? part(now.lostThere - first.lostThere, now.sent - first.sent) : null,
      rtt: heard?.roundTripTime ?? pair?.currentRoundTripTime ?? null,
      frames: now.frames,
    };
  }
}
