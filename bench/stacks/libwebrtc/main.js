// libwebrtc, through its npm binding, in the contest: the workloads of `contest/src/workload.rs` in its language.
"use strict";

const fs = require("fs");
const readline = require("readline");
const { RTCPeerConnection } = require("@roamhq/wrtc");

const DATA = 0, LAST = 1;
const HIGH = 4 << 20, LOW = 1 << 20;

const tell = (line) => fs.writeSync(1, JSON.stringify(line) + "\n");
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const hear = async (kind) => {
    const { value, done } = await lines.next();
    if (done) throw new Error("the other side is gone");
    return JSON.parse(value)[kind];
};

const now = () => Number(process.hrtime.bigint()) / 1e9;
const cpu = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1e6; };

// One end of a connection, with messages to be awaited.
class End {
    constructor() {
        this.connection = new RTCPeerConnection({});
        this.inbox = [];
        this.waiting = null;
        this.opened = new Promise((resolve) => { this.hasOpened = resolve; });
        this.connection.ondatachannel = ({ channel }) => this.use(channel);
    }
    use(channel) {
        this.channel = channel;
        channel.binaryType = "arraybuffer";
        channel.bufferedAmountLowThreshold = LOW;
        channel.onopen = () => this.hasOpened();
        if (channel.readyState === "open") this.hasOpened();
        channel.onmessage = ({ data }) => {
            const message = new Uint8Array(data);
            if (this.waiting) { const resolve = this.waiting; this.waiting = null; resolve(message); } else this.inbox.push(message);
        };
    }
    async described(description) {
        const gathered = new Promise((resolve) => {
            this.connection.onicegatheringstatechange = () => this.connection.iceGatheringState === "complete" && resolve();
        });
        await this.connection.setLocalDescription(description);
        if (this.connection.iceGatheringState !== "complete") await gathered;
        return this.connection.localDescription.sdp;
    }
    static async offer(settings) {
        const end = new End();
        end.use(end.connection.createDataChannel("bench", { ordered: !settings.unordered }));
        return [end, await end.described(await end.connection.createOffer())];
    }
    static async answer(offer) {
        const end = new End();
        await end.connection.setRemoteDescription({ type: "offer", sdp: offer });
        return [end, await end.described(await end.connection.createAnswer())];
    }
    accept(answer) { return this.connection.setRemoteDescription({ type: "answer", sdp: answer }); }
    async send(message, end = Infinity) {
        // The binding does not tell reliably that the amount is low again; a timer looks too.
        while (this.channel.bufferedAmount > HIGH) {
            if (now() >= end) return;
            await new Promise((resolve) => {
                this.channel.onbufferedamountlow = resolve;
                setTimeout(resolve, 2);
            });
        }
        this.channel.send(message);
    }
    recv() {
        if (this.inbox.length > 0) return this.inbox.shift();
        return new Promise((resolve) => { this.waiting = resolve; });
    }
    async sendUntil(payload, end) {
        // Whoever sends all the time hears nothing in between.
        for (let i = 1; now() < end; i++) {
            await this.send(payload, end);
            if (i % 64 === 0) await new Promise(setImmediate);
        }
    }
    async receiveUntil(end) {
        const timer = setTimeout(() => {
            if (this.waiting) { const resolve = this.waiting; this.waiting = null; resolve(null); }
        }, (end - now()) * 1e3);
        let messages = 0, bytes = 0;
        while (now() < end) {
            const message = await this.recv();
            if (message === null) break;
            messages++;
            bytes += message.length;
        }
        clearTimeout(timer);
        return { messages, bytes };
    }
    async finish() {
        await new Promise((resolve) => setTimeout(resolve, 300));
        this.connection.close();
    }
}

const last = (count) => {
    const message = new Uint8Array(9);
    message[0] = LAST;
    new DataView(message.buffer).setBigUint64(1, BigInt(count));
    return message;
};
const lastCount = (message) => message[0] === LAST
    ? Number(new DataView(message.buffer, message.byteOffset).getBigUint64(1)) : null;

const offering = async (settings) => {
    const [end, offer] = await End.offer(settings);
    tell({ offer });
    await end.accept(await hear("answer"));
    await end.opened;
    return end;
};
const answering = async () => {
    const [end, answer] = await End.answer(await hear("offer"));
    tell({ answer });
    await end.opened;
    return end;
};
const peak = () => Number(/VmHWM:\s*(\d+)/.exec(fs.readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
const resident = () => Number(fs.readFileSync("/proc/self/statm", "utf8").split(" ")[1]) * 4096;
const pair = async (settings) => {
    const [one, offer] = await End.offer(settings);
    const [other, answer] = await End.answer(offer);
    await one.accept(answer);
    await Promise.all([one.opened, other.opened]);
    return [one, other];
};

const roles = {
    async offer({ workload, settings }) {
        if (workload.open) {
            const opens = [];
            for (let i = 0; i < workload.open.count; i++) {
                const start = now();
                const end = await offering(settings);
                opens.push((now() - start) * 1e3);
                await end.finish();
            }
            return { opens };
        }
        const end = await offering(settings);
        const begun = now(), used = cpu();
        const finish = (report) => ({ seconds: now() - begun, cpu: cpu() - used, ...report });
        let report;
        if (workload.bulk) {
            const payload = new Uint8Array(workload.bulk.message).fill(DATA);
            const { warm_up, seconds, overlap } = workload.bulk;
            await end.sendUntil(payload, now() + warm_up);
            const start = now(), before = cpu();
            await end.sendUntil(payload, start + seconds);
            report = { seconds: now() - start, cpu: cpu() - before };
            await end.sendUntil(payload, now() + overlap);
            return report;
        } else {
            const { message, count } = workload["round-trips"];
            const payload = new Uint8Array(message).fill(DATA);
            const trips = [];
            for (let i = 0; i < count * 1.1; i++) {
                const sent = now();
                await end.send(payload);
                await end.recv();
                if (i >= count / 10) trips.push((now() - sent) * 1e6);
            }
            report = finish({ round_trips: trips.sort((a, b) => a - b), messages: count });
            await end.send(last(0));
        }
        await end.finish();
        return report;
    },
    async answer({ workload }) {
        if (workload.open) {
            const all = [];
            for (let i = 0; i < workload.open.count; i++) all.push(await answering());
            return {};
        }
        const end = await answering();
        const begun = now(), used = cpu();
        const finish = (report) => ({ seconds: now() - begun, cpu: cpu() - used, ...report });
        if (workload.bulk) {
            const { warm_up, seconds } = workload.bulk;
            await end.receiveUntil(now() + warm_up);
            const start = now(), before = cpu();
            const counted = await end.receiveUntil(start + seconds);
            return { seconds: now() - start, cpu: cpu() - before, ...counted };
        }
        for (;;) {
            const message = await end.recv();
            if (lastCount(message) !== null) return finish({});
            await end.send(message);
        }
    },
    async pairs({ workload, settings }) {
        const { count, at_a_time } = workload.pairs;
        const kept = [await pair(settings)];
        const memory = resident(), begun = now(), used = cpu();
        while (kept.length <= count) {
            const left = Math.min(at_a_time, count + 1 - kept.length);
            kept.push(...await Promise.all(Array.from({ length: left }, () => pair(settings))));
        }
        return {
            seconds: now() - begun, cpu: cpu() - used, messages: count,
            idle_memory: Math.max(0, Math.floor((resident() - memory) / (2 * count))),
        };
    },
};

const [role, task] = process.argv.slice(2);
roles[role](JSON.parse(task)).then(async (report) => {
    tell({ report: { ...report, peak_memory: peak() } });
    for (;;) if ((await lines.next()).done) break;
    process.exit(0);
}).catch((error) => { console.error(error); process.exit(1); });
