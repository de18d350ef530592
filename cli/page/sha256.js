// SHA-256 (FIPS 180-4), fed piece by piece. Browsers have it in `crypto.subtle`, but only on pages from https or from
// the machine itself, and only for what is in memory as a whole; this page is also opened by phones in the same network.

const BLOCK = 64;
/** Where the length begins in the last block. */
const LENGTH_AT = 56;

const primes = [];
for (let candidate = 2; primes.length < 64; candidate += 1) {
  if (primes.every((prime) => candidate % prime)) primes.push(candidate);
}
/** The first 32 bits of a root's fraction. The roots that are needed are exact enough as doubles. */
const fraction = (root) => (root % 1) * 2 ** 32;
/** Section 4.2.2: from the cube roots of the first 64 primes. */
const CONSTANTS = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
/** Section 5.3.3: from the square roots of the first eight. */
const INITIAL = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));

export class Sha256 {
  constructor() {
    this.state = INITIAL.slice();
    this.block = new Uint8Array(BLOCK);
    this.view = new DataView(this.block.buffer);
    this.words = new Int32Array(64);
    this.filled = 0;
    this.length = 0;
  }

  /** Takes in an `ArrayBuffer` or `Uint8Array`. */
  update(data) {
    const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
    this.length += bytes.length;
    let start = 0;
    if (this.filled > 0) {
      start = Math.min(BLOCK - this.filled, bytes.length);
      this.block.set(bytes.subarray(0, start), this.filled);
      this.filled += start;
      if (this.filled < BLOCK) return this;
      this.compress(this.view, 0);
      this.filled = 0;
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (; start + BLOCK <= bytes.length; start += BLOCK) this.compress(view, start);
    this.block.set(bytes.subarray(start));
    this.filled = bytes.length - start;
    return this;
  }

  /** The hash in lower-case hexadecimal. Nothing can be added after this. */
  digest() {
    // Section 5.1.1: a one, zeros, and the length in bits.
    this.block[this.filled] = 0x80;
    this.block.fill(0, this.filled + 1);
    if (this.filled >= LENGTH_AT) {
      this.compress(this.view, 0);
      this.block.fill(0);
    }
    this.view.setUint32(LENGTH_AT, Math.floor(this.length / 2 ** 29));
    this.view.setUint32(LENGTH_AT + 4, (this.length % 2 ** 29) * 8);
    this.compress(this.view, 0);
    return Array.from(this.state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  /** Section 6.2.2: one block. `| 0` keeps sums in 32 bits, which makes them fast. */
  compress(view, start) {
    const { state, words } = this;
    for (let t = 0; t < 16; t += 1) words[t] = view.getInt32(start + 4 * t);
    for (let t = 16; t < 64; t += 1) {
      const x = words[t - 15];
      const y = words[t - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      words[t] = (((words[t - 16] + s0) | 0) + ((words[t - 7] + s1) | 0)) | 0;
    }
    let a = state[0];
    let b = state[1];
    let c = state[2];
    let d = state[3];
    let e = state[4];
    let f = state[5];
    let g = state[6];
    let h = state[7];
    for (let t = 0; t < 64; t += 1) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const choice = (e & f) ^ (~e & g);
      const t1 = (((((h + s1) | 0) + choice) | 0) + ((CONSTANTS[t] + words[t]) | 0)) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const majority = (a & b) ^ (a & c) ^ (b & c);
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + ((s0 + majority) | 0)) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }
}
