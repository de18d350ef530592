// The page of `visavis record`: shares camera and microphone for as long as the visitor likes.

import { MediaConnection, devices } from "./media.js";

const WORDS = {
  new: "Nothing is shared.",
  asking: "The browser asks whether it may.",
  connecting: "Connecting.",
  connected: "Recording.",
  disconnected: "The path has gone quiet. It may come back by itself.",
  failed: "No path to the program works any more.",
  closed: "Nothing is shared any more. What was received is kept.",
};

const $ = (id) => document.getElementById(id);
let connection = null;
let stream = null;

function show(state) {
  $("state").dataset.state = state;
  $("state-text").textContent = WORDS[state] ?? state;
  const isOver = state === "new" || state === "closed";
  $("share").hidden = !isOver;
  $("stop").hidden = isOver;
  $("shared").hidden = !stream;
}

function problem(text) {
  const item = document.createElement("li");
  item.textContent = text;
  $("problems").append(item);
}

function stop() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  $("preview").srcObject = null;
  const before = connection;
  connection = null;
  before?.close();
}

/** Gives each track to the section that waits for its kind. */
async function attach(peer) {
  for (const track of stream.getTracks()) {
    const free = peer.getTransceivers().find(({ sender, receiver }) => !sender.track && receiver.track.kind === track.kind);
    if (!free) continue;
    free.direction = "sendonly";
    await free.sender.replaceTrack(track);
  }
}

async function share() {
  $("problems").replaceChildren();
  show("asking");
  try {
    stream = await devices({ video: true, audio: true });
  } catch (error) {
    problem(error.message);
    show("new");
    return;
  }
  $("preview").srcObject = stream;
  for (const kind of ["video", "audio"]) {
    const word = kind === "video" ? "camera" : "microphone";
    if (!stream.getTracks().some((track) => track.kind === kind)) problem(`There is no ${word}; the rest is recorded.`);
  }
  connection = new MediaConnection("/signal", attach);
  connection.addEventListener("state", ({ detail }) => {
    if (detail === "closed") stop();
    show(detail);
  });
  connection.addEventListener("problem", ({ detail }) => problem(detail));
  connection.addEventListener("ended", () => problem("The program has ended the recording."));
}

$("share").addEventListener("click", share);
$("stop").addEventListener("click", stop);
