// Files on channels of their own: a header, the bytes, the sender's hash. Whoever receives compares.

const CHUNK = 64 * 1024;
const HIGH = 4 * 1024 * 1024;
const LOW = 1024 * 1024;

export const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

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
    channel.bufferedAmountLowThreshold = LOW;
    channel.addEventListener("bufferedamountlow", resolve, { once: true });
    channel.addEventListener("close", () => reject(new Error("the channel closed")), { once: true });
  });

/** Sends a file. Resolves with what the receiver says of it: `{ name, sha256, matches }`. */
export async function sendFile(channel, file, onProgress) {
  const verdict = new Promise((resolve, reject) => {
    channel.addEventListener("message", (event) => {
      const told = JSON.parse(event.data);
      if (told.is === "received") onProgress(told.bytes);
      if (told.is === "done") resolve(told);
      if (told.is === "problem") reject(new Error(told.problem));
    });
    channel.addEventListener("close", () => reject(new Error("the channel closed")));
  });
  // Sending may fail first; the verdict is looked at in the end.
  verdict.catch(() => {});
  await opened(channel);
  const bytes = await file.arrayBuffer();
  const hash = crypto.subtle.digest("SHA-256", bytes);
  channel.send(JSON.stringify({ name: file.name, size: bytes.byteLength }));
  try {
    for (let start = 0; start < bytes.byteLength; start += CHUNK) {
      await room(channel);
      channel.send(bytes.slice(start, start + CHUNK));
    }
    channel.send(JSON.stringify({ sha256: hex(await hash) }));
  } catch (error) {
    // The receiver's own words say more than a closed channel does.
    await Promise.race([verdict, Promise.reject(error)]);
  }
  return verdict;
}

/** Receives a file. Resolves with `{ name, blob, sha256, matches }`. */
export function receiveFile(channel, onHeader, onProgress) {
  channel.binaryType = "arraybuffer";
  return new Promise((resolve, reject) => {
    let header = null;
    let received = 0;
    const parts = [];
    channel.addEventListener("close", () => reject(new Error("the channel closed before all was there")));
    channel.addEventListener("message", async (event) => {
      if (typeof event.data !== "string") {
        parts.push(event.data);
        received += event.data.byteLength;
        onProgress(received);
        return;
      }
      const text = JSON.parse(event.data);
      if (!header) {
        header = text;
        onHeader(header);
        return;
      }
      const blob = new Blob(parts);
      const sha256 = hex(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
      resolve({ name: header.name, blob, sha256, matches: received === header.size && sha256 === text.sha256 });
      channel.close();
    });
  });
}
