// The page of `visavis send-media`: plays what comes.

import { MediaConnection } from "./media.js";

const WORDS = {
  connecting: "Connecting.",
  connected: "Playing.",
  muted: "Playing. Browsers begin without sound; the speaker below turns it on.",
  disconnected: "The path has gone quiet. It may come back by itself.",
  failed: "No path to the program works any more.",
  closed: "Closed.",
  ended: "That was all.",
};

const $ = (id) => document.getElementById(id);

function show(state) {
  $("state").dataset.state = state;
  const hasSound = [...document.querySelectorAll("video")].some(({ srcObject }) => srcObject?.getAudioTracks().length);
  $("state-text").textContent = (state === "connected" && hasSound ? WORDS.muted : WORDS[state]) ?? state;
  $("again").hidden = state !== "closed" && state !== "ended";
}

/** One element for each stream, which plays its picture and its sound in step. */
function play(stream) {
  let element = document.querySelector(`[data-stream="${CSS.escape(stream.id)}"] :is(video, audio)`);
  if (!element) {
    const figure = document.createElement("figure");
    figure.dataset.stream = stream.id;
    // Pictures may follow the sound; a video element shows both.
    element = document.createElement("video");
    Object.assign(element, { autoplay: true, muted: true, playsInline: true, controls: true });
    figure.append(element);
    $("streams").append(figure);
  }
  element.srcObject = stream;
  element.play().catch(() => {}); // then there are its own controls
}

function problem(text) {
  const item = document.createElement("li");
  item.textContent = text;
  $("problems").append(item);
}

function connect() {
  $("streams").replaceChildren();
  $("problems").replaceChildren();
  const connection = new MediaConnection("/signal");
  let hasEnded = false;
  connection.addEventListener("state", ({ detail }) => show(hasEnded && detail === "closed" ? "ended" : detail));
  connection.addEventListener("stream", ({ detail }) => play(detail.stream));
  connection.addEventListener("problem", ({ detail }) => problem(detail));
  connection.addEventListener("ended", () => (hasEnded = true));
}

$("again").addEventListener("click", connect);
connect();
