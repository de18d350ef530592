use super::filter::MaxFilter;
use super::{Ack, Control, INITIAL_PACKETS};
use std::time::{Duration, Instant};

/// Fills the path within few round trips: 2 / ln 2, which doubles the rate in each.
const STARTUP_GAIN: f64 = 2.885;
const DRAIN_GAIN: f64 = 1.0 / STARTUP_GAIN;

/// The rates of one cycle, a round-trip time each: look for more, give back the queue that this made, cruise.
const CYCLE: [f64; 8] = [1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];

/// In flight at most, in products of bandwidth and delay: room for acknowledgements that come late or in heaps.
const WINDOW_GAIN: f64 = 2.0;

/// A little less than the path carries, so that no queue stays.
const MARGIN: f64 = 0.99;

/// Rounds that the greatest delivery rate is remembered.
const BANDWIDTH_ROUNDS: u64 = 10;

/// How long the least round-trip time is believed, and how long it is looked for again.
const MIN_RTT_LIFE: Duration = Duration::from_secs(10);
const PROBE_RTT_TIME: Duration = Duration::from_millis(200);

/// Startup ends when more than this share of a round is lost, and enough packets for that to be no chance.
const STARTUP_LOSS: f64 = 0.2;
const STARTUP_LOST_PACKETS: usize = 8;

const LEAST_PACKETS: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Doubles the rate every round until it brings nothing more.
    Startup,
    /// Gives back the queue that startup made.
    Drain,
    /// Goes through [`CYCLE`], at this place since then.
    Cruise { place: usize, since: Instant },
    /// Empties the path to see its delay; from when on there was little in flight.
    ProbeRtt { since: Option<Instant> },
}

/// A controller that keeps a model of the path, its bandwidth and its delay, and sends at that rate. Losses say nothing
/// unless they fill whole rounds.
///
/// It follows BBR as first published (Cardwell et al., 2016), and probes the delay with half a product in flight, as
/// later versions do (draft-ietf-ccwg-bbr). There is no RFC yet.
#[derive(Debug)]
pub(super) struct Bbr {
    packet: usize,
    mode: Mode,
    window: usize,
    /// Bytes per second, over the last rounds.
    bandwidth: MaxFilter,
    round: u64,
    min_rtt: Option<(Duration, Instant)>,
    /// The path is full: the bandwidth does not grow any more.
    is_full: bool,
    full_bandwidth: f64,
    full_rounds: u32,
    /// Bytes acknowledged and lost in this round.
    round_acked: usize,
    round_lost: usize,
    /// The window before it was cut down for a while.
    before: Option<usize>,
    seed: u32,
}

impl Bbr {
    pub(super) fn new(packet: usize, seed: u32) -> Self {
        Self {
            packet,
            mode: Mode::Startup,
            window: INITIAL_PACKETS * packet,
            bandwidth: MaxFilter::new(BANDWIDTH_ROUNDS),
            round: 0,
            min_rtt: None,
            is_full: false,
            full_bandwidth: 0.0,
            full_rounds: 0,
            round_acked: 0,
            round_lost: 0,
            before: None,
            seed,
        }
    }

    fn gain(&self) -> f64 {
        match self.mode {
            Mode::Startup => STARTUP_GAIN,
            Mode::Drain => DRAIN_GAIN,
            Mode::Cruise { place, .. } => CYCLE.get(place).copied().unwrap_or(1.0),
            Mode::ProbeRtt { .. } => 1.0,
        }
    }

    /// Bytes in flight that are `gain` times the product of bandwidth and delay.
    fn product(&self, gain: f64) -> usize {
        let rtt = self.min_rtt.map_or(0.0, |(rtt, _)| rtt.as_secs_f64());
        ((gain * self.bandwidth.best() * rtt) as usize).max(LEAST_PACKETS * self.packet)
    }

    fn count_round(&mut self, ack: &Ack) {
        self.round_acked = self.round_acked.saturating_add(ack.bytes);
        self.round_lost = self.round_lost.saturating_add(ack.lost);
        if !ack.round {
            return;
        }
        self.round += 1;
        let (acked, lost) = (std::mem::take(&mut self.round_acked), std::mem::take(&mut self.round_lost));
        if self.is_full || ack.rate.is_some_and(|rate| rate.app_limited) {
            return;
        }
        let best = self.bandwidth.best();
        if best >= self.full_bandwidth * 1.25 {
            (self.full_bandwidth, self.full_rounds) = (best, 0);
        } else {
            self.full_rounds += 1;
        }
        let is_lossy =
            lost > STARTUP_LOST_PACKETS * self.packet && lost as f64 > STARTUP_LOSS * acked.saturating_add(lost) as f64;
        self.is_full = self.full_rounds >= 3 || is_lossy;
    }

    fn look_at_delay(&mut self, ack: &Ack) {
        let Some(rtt) = ack.rtt.filter(|rtt| !rtt.is_zero()) else { return };
        let is_stale = self.min_rtt.is_some_and(|(_, seen)| ack.now.saturating_duration_since(seen) > MIN_RTT_LIFE);
        if is_stale && !matches!(self.mode, Mode::ProbeRtt { .. }) {
            self.mode = Mode::ProbeRtt { since: None };
            self.before = Some(self.before.unwrap_or_default().max(self.window));
        }
        if is_stale || self.min_rtt.is_none_or(|(least, _)| rtt <= least) {
            self.min_rtt = Some((rtt, ack.now));
        }
    }

    fn change_mode(&mut self, ack: &Ack) {
        match self.mode {
            Mode::Startup if self.is_full => self.mode = Mode::Drain,
            Mode::Startup => {}
            Mode::Drain if ack.flight <= self.product(1.0) => self.cruise(ack.now),
            Mode::Drain => {}
            Mode::Cruise { place, since } => {
                let rtt = self.min_rtt.map_or(ack.smoothed, |(rtt, _)| rtt);
                let is_over = ack.now.saturating_duration_since(since) > rtt;
                let gain = self.gain();
                let next = if gain > 1.0 {
                    is_over && (ack.lost > 0 || ack.flight_before >= self.product(gain))
                } else if gain < 1.0 {
                    is_over || ack.flight <= self.product(1.0)
                } else {
                    is_over
                };
                if next {
                    self.mode = Mode::Cruise { place: (place + 1) % CYCLE.len(), since: ack.now };
                }
            }
            Mode::ProbeRtt { since: None } => {
                if ack.flight <= self.product(0.5) {
                    self.mode = Mode::ProbeRtt { since: Some(ack.now) };
                }
            }
            Mode::ProbeRtt { since: Some(since) } => {
                let wait = PROBE_RTT_TIME.max(ack.smoothed);
                if ack.now.saturating_duration_since(since) >= wait {
                    self.min_rtt = self.min_rtt.map(|(rtt, _)| (rtt, ack.now));
                    self.restore();
                    if self.is_full {
                        self.cruise(ack.now);
                    } else {
                        self.mode = Mode::Startup;
                    }
                }
            }
        }
    }

    /// Begins the cycle anywhere but where it drains, so that several connections do not probe at once.
    fn cruise(&mut self, now: Instant) {
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let place = 2 + (self.seed >> 16) as usize % (CYCLE.len() - 2);
        self.mode = Mode::Cruise { place, since: now };
    }

    fn restore(&mut self) {
        if let Some(before) = self.before.take() {
            self.window = self.window.max(before);
        }
    }

    fn size_window(&mut self, ack: &Ack) {
        let burst = (self.bandwidth.best() / 1000.0) as usize;
        let target = self.product(WINDOW_GAIN).saturating_add(3 * burst.max(2 * self.packet));
        if matches!(self.mode, Mode::ProbeRtt { .. }) {
            self.window = self.window.min(self.product(0.5));
        } else if self.is_full {
            self.window = self.window.saturating_add(ack.bytes).min(target);
        } else if self.window < target || self.round == 0 {
            self.window = self.window.saturating_add(ack.bytes);
        }
        self.window = self.window.max(LEAST_PACKETS * self.packet);
    }
}

impl Control for Bbr {
    fn window(&self) -> usize {
        self.window
    }

    fn threshold(&self) -> usize {
        usize::MAX
    }

    fn pacing_rate(&self, smoothed: Option<Duration>) -> Option<f64> {
        let best = self.bandwidth.best();
        if best > 0.0 {
            let margin = if self.is_full { MARGIN } else { 1.0 };
            return Some(self.gain() * best * margin);
        }
        let rtt = smoothed.filter(|rtt| !rtt.is_zero())?.as_secs_f64();
        Some(STARTUP_GAIN * self.window as f64 / rtt)
    }

    fn set_packet(&mut self, packet: usize) {
        self.packet = packet;
        self.window = self.window.max(LEAST_PACKETS * packet);
    }

    fn after_pause(&mut self, _now: Instant, _sent: Instant, _rto: Duration) {}

    fn on_ack(&mut self, ack: &Ack) {
        if !matches!(self.mode, Mode::ProbeRtt { .. }) {
            self.restore();
        }
        if let Some(rate) = ack.rate
            && (!rate.app_limited || rate.bytes >= self.bandwidth.best())
        {
            self.bandwidth.update(self.round, rate.bytes);
        }
        self.count_round(ack);
        self.look_at_delay(ack);
        self.change_mode(ack);
        self.size_window(ack);
    }

    fn on_loss(&mut self, _now: Instant) {}

    fn on_timeout(&mut self, _now: Instant) {
        self.before = Some(self.before.unwrap_or_default().max(self.window));
        self.window = self.packet;
    }

    fn undo(&mut self) {
        self.restore();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{full, start};
    use super::*;

    const RTT: Duration = Duration::from_millis(50);

    /// Rounds over a path that carries this many bytes per second: what is in flight is the window, as far as a round
    /// trip carries it.
    fn run(control: &mut Bbr, now: &mut Instant, rounds: usize, carried: f64) {
        for _ in 0..rounds {
            let product = carried * RTT.as_secs_f64();
            let queue = (control.window() as f64 - product).max(0.0) / carried;
            let rtt = RTT + Duration::from_secs_f64(queue);
            *now += rtt;
            let bytes = (control.window() as f64).min(carried * rtt.as_secs_f64());
            let rate = Some(Rate { bytes: bytes / rtt.as_secs_f64(), app_limited: false });
            control.on_ack(&Ack { rate, rtt: Some(rtt), round: true, smoothed: rtt, ..full(*now, bytes as usize) });
        }
    }

    use super::super::Rate;

    #[test]
    fn finds_the_rate_of_the_path_and_stays_there() {
        let mut now = start();
        let mut control = Bbr::new(1000, 1);
        run(&mut control, &mut now, 40, 10e6);
        let rate = control.pacing_rate(Some(RTT)).unwrap_or_default() / control.gain();
        assert!((9.5e6..10.2e6).contains(&rate), "{rate}");
        assert!(control.window() <= 1_200_000, "two products and a little: {}", control.window());
    }

    #[test]
    fn losses_change_nothing_and_a_timeout_only_until_the_next_ack() {
        let mut now = start();
        let mut control = Bbr::new(1000, 1);
        run(&mut control, &mut now, 40, 10e6);
        let window = control.window();
        control.on_loss(now);
        assert_eq!(control.window(), window);
        control.on_timeout(now);
        assert_eq!(control.window(), 1000);
        control.on_ack(&full(now, 1000));
        assert!(control.window() >= window - 100_000);
    }

    #[test]
    fn a_slower_path_is_noticed_within_ten_rounds() {
        let mut now = start();
        let mut control = Bbr::new(1000, 1);
        run(&mut control, &mut now, 40, 10e6);
        run(&mut control, &mut now, 14, 2e6);
        assert!(control.bandwidth.best() < 2.6e6, "{}", control.bandwidth.best());
    }
}
