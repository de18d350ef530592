// The video call: this browser's camera, sent back by the Rust peer, and a clip that the Rust peer plays.

import { MediaConnection, Measure, bits, devices } from "./media.js";

const WORDS = {
  new: "No call. It takes a connection of its own.",
  asking: "The browser asks whether it may use the camera.",
  connecting: "Connecting.",
  connected: "Connected. What is shown comes from the Rust peer.",
  disconnected: "The path has gone quiet. It may come back by itself.",
  failed: "No path to the peer works any more. Start again.",
  closed: "The call is over.",
};
const EVERY = 1000;

const $ = (id) => document.getElementById(id);
let call = null;

class Call {
  constructor(camera) {
    this.camera = camera;
    this.measures = new Map();
    this.streams = new Map();
    this.connection = new MediaConnection("/call", (peer) => this.attach(peer));
    this.connection.addEventListener("state", ({ detail }) => this.show(detail));
    this.connection.addEventListener("stream", ({ detail }) => this.take(detail));
    this.connection.addEventListener("problem", ({ detail }) => problem(detail));
  }

  /** A camera goes where the echo comes from. */
  async attach(peer) {
    // Tracks are told as they are found in the offer, before this.
    await Promise.resolve();
    const echo = this.streams.get("echo");
    if (this.camera && echo) {
      echo.direction = "sendrecv";
      await echo.sender.replaceTrack(this.camera.getVideoTracks()[0]);
    }
    this.setLoss();
  }

  take({ stream, transceiver }) {
    const name = stream.id === "echo" ? "echo" : "clip";
    if (transceiver.receiver.track.kind === "video") {
      this.streams.set(name, transceiver);
      this.measures.set(name, new Measure(this.connection.peer, transceiver.receiver, transceiver.sender));
    }
    const video = $(`${name}-video`);
    video.srcObject = stream;
    video.play().catch(() => {}); // then there are its own controls
  }

  show(state) {
    if (call !== this) return;
    showState(state);
    if (state === "connected") this.ticking ??= setInterval(() => this.tick(), EVERY);
    if (state === "closed") this.stop();
  }

  async tick() {
    for (const [name, measure] of this.measures) {
      try {
        showNumbers(name, await measure.take());
      } catch {
        // The connection was closed meanwhile.
      }
    }
  }

  setLoss() {
    const percent = Number(document.querySelector('input[name="loss"]:checked').value);
    this.connection.send({ is: "loss", percent });
  }

  stop() {
    if (call !== this) return;
    call = null;
    clearInterval(this.ticking);
    for (const track of this.camera?.getTracks() ?? []) track.stop();
    for (const name of ["echo", "clip"]) $(`${name}-video`).srcObject = null;
    this.connection.close();
    showState("closed");
  }
}

function showState(state) {
  $("call-state").dataset.state = state;
  $("call-state-text").textContent = WORDS[state] ?? state;
  const isOver = state === "new" || state === "closed";
  $("call-start").hidden = !isOver;
  $("call-end").hidden = isOver;
  $("call-pictures").hidden = isOver || state === "asking";
}

function showNumbers(name, numbers) {
  const percent = (part) => `${(part * 100).toFixed(1)} %`;
  const { size, rate, lossIn, lossOut, rtt } = numbers;
  const texts = {
    size: size && `${size[0]} × ${size[1]}`,
    rate: rate !== null && rate.toFixed(0),
    bits: numbers.bits !== null && bits(numbers.bits),
    loss: lossIn !== null && percent(lossIn) + (lossOut === null ? "" : ` in, ${percent(lossOut)} out`),
    rtt: rtt !== null && (rtt < 0.001 ? "< 1 ms" : `${Math.round(rtt * 1000)} ms`),
  };
  const list = $(`${name}-numbers`);
  for (const [what, text] of Object.entries(texts)) {
    list.querySelector(`[data-number="${what}"]`).textContent = text || "–";
  }
  // For those who read the page by program.
  list.dataset.values = JSON.stringify(numbers);
}

function problem(text) {
  const item = document.createElement("li");
  item.textContent = text;
  $("call-problems").append(item);
}

async function start() {
  $("call-problems").replaceChildren();
  showState("asking");
  let camera = null;
  try {
    camera = await devices({ video: { width: { ideal: 640 }, height: { ideal: 480 } } });
  } catch (error) {
    problem(`${error.message} Only the clip is shown.`);
  }
  $("echo").hidden = !camera;
  call = new Call(camera);
}

$("call-start").addEventListener("click", start);
$("call-end").addEventListener("click", () => call?.stop());
for (const input of document.querySelectorAll('input[name="loss"]')) {
  input.addEventListener("change", () => call?.setLoss());
}
