// The page: buttons, chat, files and live numbers around one connection.

import { Chart } from "./chart.js";
import { Connection } from "./connection.js";
import { receiveFile, room, sendFile } from "./transfer.js";

const WORDS = {
  new: "Not connected. Choose who makes the offer.",
  connecting: "Connecting: the two are looking for a path and agreeing on keys.",
  connected: "Connected. Everything below goes directly to the Rust peer, encrypted.",
  disconnected: "The path has gone quiet. It may come back by itself.",
  failed: "No path to the peer works any more. Connect again.",
  closed: "Closed. Connect again whenever you like.",
};
const SPEED_SECONDS = 5;
const PING_EVERY = 500;
const PING_LOST = 2000;

const $ = (id) => document.getElementById(id);
const chart = new Chart($("chart"));
let session = null;

const bytes = (count) => {
  const units = ["B", "kB", "MB", "GB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return `${(count / 1000 ** power).toFixed(power ? 1 : 0)} ${units[power]}`;
};

/** All that lives as long as one connection. */
class Session {
  constructor(role) {
    this.connection = new Connection(role);
    this.channels = new Map();
    this.counts = { down: 0, up: 0 };
    this.pings = new Map();
    this.fetches = new Map();
    this.rtt = null;
    // What is under way fails with the connection, whether or not its channel says anything.
    this.ended = new Promise((_, reject) => (this.end = () => reject(new Error("the connection ended"))));
    this.ended.catch(() => {});
    this.connection.addEventListener("state", (event) => this.show(event.detail));
    this.connection.addEventListener("problem", (event) => note(event.detail));
    this.connection.addEventListener("channel", (event) => this.take(event.detail));
  }

  /** The outcome of something, unless the connection ends before. */
  whileConnected(promise) {
    return Promise.race([promise, this.ended]);
  }

  show(state) {
    if (state === "failed" || state === "closed") this.end();
    if (session !== this) return;
    showState(state);
    if (state === "connected" && !this.ticking) {
      this.ticking = setInterval(() => this.tick(), PING_EVERY);
    }
    if (state === "closed") {
      clearInterval(this.ticking);
      session = null;
      showNumbers(null, 0, 0);
    }
  }

  /** A channel that either side made. */
  take(channel) {
    channel.binaryType = "arraybuffer";
    channel.addEventListener("message", (event) => {
      this.counts.down += event.data.byteLength ?? event.data.length;
    });
    const takers = {
      chat: () => this.takeChat(channel),
      control: () => this.takeControl(channel),
      ping: () => this.takePing(channel),
      file: () => this.takeFile(channel),
    };
    takers[channel.protocol]?.();
  }

  takeChat(channel) {
    this.channels.set("chat", channel);
    const ready = () => enable(true);
    if (channel.readyState === "open") ready();
    channel.addEventListener("open", ready);
    channel.addEventListener("close", () => enable(false));
    channel.addEventListener("message", (event) => say("theirs", event.data));
  }

  takeControl(channel) {
    this.channels.set("control", channel);
    channel.addEventListener("message", (event) => {
      const told = JSON.parse(event.data);
      if (told.is === "files") showOffered(told.files);
      if (told.is === "problem") this.fetches.get(told.number)?.fail(told.problem);
    });
  }

  takePing(channel) {
    this.channels.set("ping", channel);
    channel.addEventListener("message", (event) => {
      const sent = this.pings.get(event.data);
      if (sent === undefined) return;
      this.pings.delete(event.data);
      this.rtt = performance.now() - sent;
    });
  }

  takeFile(channel) {
    // Our own file channels are handled where they are made.
    const fetch = this.fetches.get(Number(channel.label.replace("fetch ", "")));
    if (!fetch || fetch.taken) return;
    fetch.taken = true;
    fetch.receive(channel);
  }

  /** Twice a second: numbers of the time since, and a ping for the next. */
  async tick() {
    const now = performance.now();
    const seconds = (now - (this.ticked ?? now - PING_EVERY)) / 1000;
    this.ticked = now;
    let waiting = 0;
    for (const channel of this.sending ?? []) waiting += channel.bufferedAmount;
    const { down, up } = this.counts;
    const sent = Math.max(0, up - waiting - (this.sentBefore ?? 0));
    this.sentBefore = (this.sentBefore ?? 0) + sent;
    this.counts.down = 0;
    showNumbers(this.rtt, down / seconds, sent / seconds);
    for (const [name, time] of this.pings) if (now - time > PING_LOST) this.pings.delete(name);
    const ping = this.channels.get("ping");
    if (ping?.readyState === "open") {
      const name = String(now);
      this.pings.set(name, now);
      ping.send(name);
    }
  }

  /** Counts what a channel sends, from now until `stop` is called. */
  watch(channel) {
    this.sending ??= new Set();
    this.sending.add(channel);
    const send = channel.send.bind(channel);
    channel.send = (data) => {
      send(data);
      this.counts.up += data.byteLength ?? data.length;
    };
    return () => this.sending.delete(channel);
  }

  async sendFile(file) {
    const row = new Row(file.name, file.size, "sent");
    try {
      const channel = this.connection.open(file.name.slice(0, 200), { protocol: "file" });
      const stop = this.watch(channel);
      const sending = sendFile(channel, file, (count) => row.progress(count)).finally(stop);
      const { sha256, matches, name } = await this.whileConnected(sending);
      row.done(sha256, matches, name);
    } catch (error) {
      row.fail(error.message);
    }
  }

  async fetchFile(name, size) {
    const row = new Row(name, size, "received");
    const number = (this.lastFetch = (this.lastFetch ?? 0) + 1);
    try {
      const fetching = new Promise((resolve, reject) => {
        this.fetches.set(number, {
          taken: false,
          fail: (problem) => reject(new Error(problem)),
          receive: (channel) => resolve(receiveFile(channel, (count) => row.progress(count))),
        });
      });
      this.channels.get("control").send(JSON.stringify({ is: "fetch", name, number }));
      const file = await this.whileConnected(fetching);
      row.done(file.sha256, file.matches, file.name, file.blob);
    } catch (error) {
      row.fail(error.message);
    }
    this.fetches.delete(number);
  }

  async measure(direction) {
    const channel = this.connection.open("speed", { protocol: "speed" });
    channel.binaryType = "arraybuffer";
    const stop = this.watch(channel);
    await new Promise((resolve) => channel.addEventListener("open", resolve, { once: true }));
    const started = performance.now();
    let count = 0;
    if (direction === "download") {
      channel.addEventListener("message", (event) => (count += event.data.byteLength));
      channel.send(JSON.stringify({ is: "download", seconds: SPEED_SECONDS }));
      await new Promise((resolve) => channel.addEventListener("close", resolve, { once: true }));
    } else {
      channel.send(JSON.stringify({ is: "upload" }));
      const chunk = new Uint8Array(64 * 1024);
      while (performance.now() - started < SPEED_SECONDS * 1000) {
        await room(channel);
        channel.send(chunk);
        count += chunk.byteLength;
      }
      count -= channel.bufferedAmount;
      channel.close();
    }
    stop();
    return count / ((performance.now() - started) / 1000);
  }
}

/** One transfer in the list. */
class Row {
  constructor(name, size, direction) {
    this.size = size;
    this.item = document.createElement("li");
    this.item.dataset.done = "false";
    this.item.dataset.direction = direction;
    this.title = document.createElement("div");
    this.title.textContent = `${direction === "sent" ? "Sending" : "Receiving"} ${name}, ${bytes(size)}`;
    this.bar = document.createElement("progress");
    this.bar.max = Math.max(1, size);
    this.bar.value = 0;
    this.bar.setAttribute("aria-label", `Progress of ${name}`);
    this.item.append(this.title, this.bar);
    $("transfers").prepend(this.item);
  }

  progress(count) {
    this.bar.value = count;
  }

  done(sha256, matches, name, blob) {
    this.item.dataset.done = "true";
    this.item.dataset.matches = String(matches);
    const sent = this.item.dataset.direction === "sent";
    this.title.textContent = `${sent ? "Sent as" : "Received"} ${name}, ${bytes(this.size)} `;
    const verdict = document.createElement("span");
    verdict.className = "verdict";
    verdict.textContent = matches ? "✓ SHA-256 matches" : "✗ SHA-256 differs";
    this.title.append(verdict);
    const hash = document.createElement("small");
    hash.textContent = sha256;
    this.bar.replaceWith(hash);
    if (blob) {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = name;
      link.textContent = "Save";
      this.item.append(link);
    }
  }

  fail(problem) {
    this.item.dataset.done = "true";
    this.item.dataset.matches = "false";
    const verdict = document.createElement("span");
    verdict.className = "verdict";
    verdict.textContent = ` ${problem}`;
    this.title.append(verdict);
    this.bar.remove();
  }
}

function showState(state) {
  $("state").dataset.state = state;
  $("state-text").textContent = WORDS[state] ?? state;
  const connectable = state === "new" || state === "closed";
  $("connect-initiator").hidden = !connectable;
  $("connect-receiver").hidden = !connectable;
  $("disconnect").hidden = connectable;
}

function showNumbers(rtt, down, up) {
  $("rtt").textContent = rtt === null ? "–" : `${rtt.toFixed(1)} ms`;
  $("rate-down").textContent = `${bytes(down)}/s`;
  $("rate-up").textContent = `${bytes(up)}/s`;
  chart.push(rtt, down, up);
}

function showOffered(files) {
  $("offered").replaceChildren(
    ...files.map(({ name, size }) => {
      const item = document.createElement("li");
      const text = document.createElement("span");
      text.textContent = `${name}, ${bytes(size)}`;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Fetch";
      button.dataset.name = name;
      button.setAttribute("aria-label", `Fetch ${name}`);
      button.addEventListener("click", () => session?.fetchFile(name, size));
      item.append(text, button);
      return item;
    }),
  );
}

function enable(on) {
  for (const id of ["chat-text", "chat-send", "file-input", "speed-download", "speed-upload"]) $(id).disabled = !on;
  if (!on) $("offered").replaceChildren();
}

function say(who, text) {
  const item = document.createElement("li");
  item.className = who;
  item.textContent = text;
  $("chat-log").append(item);
  item.scrollIntoView({ block: "nearest" });
}

const note = (text) => say("note", text);

function connect(role) {
  session?.connection.close();
  session = new Session(role);
}

$("connect-initiator").addEventListener("click", () => connect("initiator"));
$("connect-receiver").addEventListener("click", () => connect("receiver"));
$("disconnect").addEventListener("click", () => session?.connection.close());

$("chat-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("chat-text").value.trim();
  const channel = session?.channels.get("chat");
  if (!text || channel?.readyState !== "open") return;
  channel.send(text);
  say("mine", text);
  $("chat-text").value = "";
});

$("file-input").addEventListener("change", (event) => {
  for (const file of event.target.files) session?.sendFile(file);
  event.target.value = "";
});
for (const type of ["dragenter", "dragover"]) {
  $("drop").addEventListener(type, (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
}
for (const type of ["dragleave", "drop"]) {
  $("drop").addEventListener(type, (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
  });
}
$("drop").addEventListener("drop", (event) => {
  if (!session) note("Connect first, then drop the file again.");
  for (const file of event.dataTransfer.files) session?.sendFile(file);
});
// A file dropped beside the field must not replace the page.
for (const type of ["dragover", "drop"]) window.addEventListener(type, (event) => event.preventDefault());

for (const direction of ["download", "upload"]) {
  $(`speed-${direction}`).addEventListener("click", async (event) => {
    event.target.disabled = true;
    $("speed-result").textContent = `Measuring for ${SPEED_SECONDS} seconds…`;
    try {
      const rate = await session.whileConnected(session.measure(direction));
      const word = direction === "download" ? "Received" : "Sent";
      $("speed-result").textContent = `${word} ${bytes(rate)} per second.`;
    } catch (error) {
      $("speed-result").textContent = `Could not measure: ${error.message}`;
    }
    event.target.disabled = !session;
  });
}
