// Files on channels of their own: a header, the bytes, the sender's hash. Whoever receives compares.

import { Sha256 } from "./sha256.js";

const CHUNK = 64 * 1024;
/** Read at once from a file to send; received, before it is given to the browser, which may put it on a disk. */
const PIECE = 4 * 1024 * 1024;
const HIGH = 4 * 1024 * 1024;
const LOW = 1024 * 1024;

const opened = (channel) =>
  new Promise((resolve, reject) => {
    if (channel.readyState === "open") return resolve();
    channel.addEventListener("open", resolve, { once: true });
    channel.addEventListener("close", () => reject(new Error("the channel closed")), { once: true });
  });

/** Waits until there is room for more. */
export const room = (channel) =>
  new Promise((resolve, reject) => {
    if (channel.readyState !== "open") return reject(new Error("the channel closed"));
    if (channel.bufferedAmount < HIGH) return resolve();
    const closed = () => reject(new Error("the channel closed"));
    const low = () => {
      channel.removeEventListener("close", closed);
      resolve();
    };
    channel.bufferedAmountLowThreshold = LOW;
    channel.addEventListener("bufferedamountlow", low, { once: true });
    channel.addEventListener("close", closed, { once: true });
  });

/** Sends a file. Resolves with what became of it: `{ name, sha256, matches }`. The channel is closed in any case. */
export async function sendFile(channel, file, onProgress) {
  const verdict = new Promise((resolve, reject) => {
    channel.addEventListener("message", (event) => {
      try {
        const told = JSON.parse(event.data);
        if (told.is === "received") onProgress(told.bytes);
        if (told.is === "done") resolve(told);
        if (told.is === "problem") reject(new Error(told.problem));
      } catch (error) {
        reject(error);
      }
    });
    channel.addEventListener("close", () => reject(new Error("the channel closed")));
  });
  // Sending may fail first; the verdict is looked at in the end.
  verdict.catch(() => {});
  try {
    await opened(channel);
    channel.send(JSON.stringify({ name: file.name, size: file.size }));
    const sha256 = await sendBytes(channel, file, verdict);
    channel.send(JSON.stringify({ sha256 }));
    const { name, sha256: theirs } = await verdict;
    return { name, sha256: theirs, matches: theirs === sha256 };
  } finally {
    channel.close();
  }
}

/** Resolves with the hash of what was sent. */
async function sendBytes(channel, file, verdict) {
  const hash = new Sha256();
  for (let start = 0; start < file.size; start += PIECE) {
    const piece = await file.slice(start, start + PIECE).arrayBuffer();
    hash.update(piece);
    for (let at = 0; at < piece.byteLength; at += CHUNK) {
      try {
        await room(channel);
        channel.send(piece.slice(at, at + CHUNK));
      } catch (error) {
        // The receiver's own words say more than a closed channel does, and they came before it closed.
        if (channel.readyState !== "open") await verdict;
        throw error;
      }
    }
  }
  return hash.digest();
}

/** Receives a file. Resolves with `{ name, blob, sha256, matches }`. The channel is closed in any case. */
export async function receiveFile(channel, onProgress) {
  channel.binaryType = "arraybuffer";
  try {
    return await new Promise((resolve, reject) => {
      const incoming = new Incoming();
      channel.addEventListener("close", () => reject(new Error("the channel closed before all was there")));
      channel.addEventListener("message", (event) => {
        try {
          const received = incoming.take(event.data);
          onProgress(incoming.received);
          if (received) resolve(received);
        } catch (error) {
          reject(error);
        }
      });
    });
  } finally {
    channel.close();
  }
}

/** A file on its way here. */
class Incoming {
  constructor() {
    this.header = null;
    this.received = 0;
    this.hash = new Sha256();
    this.parts = [];
    this.pieces = [];
    this.waiting = 0;
  }

  /** Takes in a message. Returns the file once it is whole. */
  take(data) {
    if (typeof data !== "string") {
      this.append(data);
      return null;
    }
    const text = JSON.parse(data);
    if (!this.header) {
      this.header = text;
      return null;
    }
    const { name, size } = this.header;
    const blob = new Blob([...this.pieces, ...this.parts]);
    const sha256 = this.hash.digest();
    return { name, blob, sha256, matches: this.received === size && sha256 === text.sha256 };
  }

  append(data) {
    this.hash.update(data);
    this.received += data.byteLength;
    this.parts.push(data);
    this.waiting += data.byteLength;
    if (this.waiting < PIECE) return;
    this.pieces.push(new Blob(this.parts));
    this.parts = [];
    this.waiting = 0;
  }
}
