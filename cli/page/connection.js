// The peer connection and its signalling over a WebSocket. Both roles end with the same three channels.

const CHANNELS = [
  ["chat", { protocol: "chat" }],
  ["control", { protocol: "control" }],
  ["ping", { protocol: "ping", ordered: false, maxRetransmits: 0 }],
];

export class Connection extends EventTarget {
  /** Connects as `initiator` or `receiver`. Tells `state`, `channel` and `problem` in events. */
  constructor(role) {
    super();
    this.peer = new RTCPeerConnection();
    this.queue = Promise.resolve();
    this.peer.addEventListener("connectionstatechange", () => this.tell("state", this.peer.connectionState));
    this.peer.addEventListener("datachannel", (event) => this.tell("channel", event.channel));
    this.peer.addEventListener("icecandidate", (event) => {
      if (event.candidate) this.send({ is: "candidate", candidate: event.candidate.toJSON() });
    });
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/signal`);
    this.socket.addEventListener("open", () => this.begin(role));
    this.socket.addEventListener("message", (event) => {
      // One after another: a candidate must not overtake the description before it.
      this.queue = this.queue.then(() => this.hear(JSON.parse(event.data))).catch((error) => this.fail(error));
    });
    this.socket.addEventListener("close", () => {
      if (!this.closed) this.tell("problem", "The program cannot be reached. Is it still running?");
      this.close();
    });
    this.tell("state", "connecting");
  }

  async begin(role) {
    try {
      if (role === "receiver") {
        this.send({ is: "offer-wanted" });
        return;
      }
      for (const [label, options] of CHANNELS) this.open(label, options);
      await this.peer.setLocalDescription();
      this.send({ is: "description", description: this.peer.localDescription });
    } catch (error) {
      this.fail(error);
    }
  }

  async hear(message) {
    if (message.is === "problem") {
      this.tell("problem", message.problem);
    } else if (message.is === "description") {
      await this.peer.setRemoteDescription(message.description);
      if (message.description.type === "offer") {
        await this.peer.setLocalDescription();
        this.send({ is: "description", description: this.peer.localDescription });
      }
    }
  }

  /** Opens a channel of our own. */
  open(label, options) {
    const channel = this.peer.createDataChannel(label, options);
    this.tell("channel", channel);
    return channel;
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
