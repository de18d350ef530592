//! What is measured.

use std::time::Duration;

use contest::Workload;
use relay::Path;
use serde::{Serialize, Serializer};

use crate::contestants::Part;

/// What the numbers of a scenario are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unit {
    /// Megabytes per second.
    Throughput,
    /// The same, through a narrow place.
    Narrow,
    /// Messages per second.
    Messages,
    /// Microseconds there and back.
    RoundTrip,
    /// Milliseconds until the channel is open.
    Open,
    /// Pairs per second, and bytes for each end.
    Pairs,
    /// What a tool counts.
    Count(Tool),
}

/// A tool that counts what a program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tool {
    /// System calls.
    SystemCalls,
    /// Blocks taken from the allocator.
    Allocations,
    /// Bytes moved by `memcpy` and its like.
    Copies,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) workload: Workload,
    pub(crate) unordered: bool,
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<Path>,
    /// The system's default socket buffers are raised for it.
    pub(crate) is_tuned: bool,
    /// How often each contestant runs it.
    pub(crate) rounds: usize,
    /// Who takes part.
    #[serde(skip)]
    pub(crate) parts: &'static [Part],
}

fn as_text<S: Serializer>(path: &Option<Path>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{path:?}"))
}

impl Scenario {
    /// How long a run takes, opening included.
    pub(crate) fn expected_time(&self) -> Duration {
        let round_trip = self.path.map_or(Duration::ZERO, |path| path.delay * 2);
        let opening = Duration::from_millis(500) + round_trip * 6;
        opening
            + match self.workload {
                Workload::Bulk { warm_up, seconds, overlap, .. } => {
                    let tools =
                        if matches!(self.unit, Unit::Count(Tool::Allocations | Tool::Copies)) { 8.0 } else { 0.0 };
                    Duration::from_secs_f64(warm_up + seconds + overlap + tools)
                }
                Workload::Open { count } => Duration::from_millis(700 * count as u64),
                Workload::RoundTrips { count, .. } => Duration::from_micros(200 * count as u64),
                Workload::Pairs { count, .. } => Duration::from_millis(8 * count as u64),
            }
    }

    pub(crate) fn is_for(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}

const OWN: &[Part] = &[Part::Visavis];
const ALL: &[Part] = &[Part::Visavis, Part::Rival];
const BULK: &[Part] = &[Part::Visavis, Part::Discovery, Part::Rival];
const RELAYED: &[Part] = &[Part::Visavis, Part::Bbr, Part::Rival, Part::Tcp];

/// How often the scenarios run that matter most.
const MAIN_ROUNDS: usize = 5;

/// All scenarios, on a clean path first. `seconds` is how long a transfer on a clean path counts.
pub(crate) fn all(seconds: f64) -> Vec<Scenario> {
    let mut all = Vec::new();
    for kib in [16, 64] {
        all.push(Scenario {
            rounds: MAIN_ROUNDS,
            parts: BULK,
            ..bulk(format!("bulk {kib} KiB ordered"), kib, seconds)
        });
    }
    for kib in [16, 64] {
        let name = format!("bulk {kib} KiB ordered, tuned system");
        all.push(Scenario { rounds: MAIN_ROUNDS, is_tuned: true, ..bulk(name, kib, seconds) });
    }
    for kib in [1, 256] {
        all.push(bulk(format!("bulk {kib} KiB ordered"), kib, seconds));
    }
    for kib in [1, 16, 64, 256] {
        all.push(Scenario { unordered: true, ..bulk(format!("bulk {kib} KiB unordered"), kib, seconds) });
    }
    let messages = Workload::Bulk { message: 64, warm_up: 0.2, seconds, overlap: 0.2 };
    let other =
        |name: &str, unit, workload, rounds| Scenario { unit, workload, rounds, ..bulk(name.into(), 0, seconds) };
    all.push(other("messages 64 B", Unit::Messages, messages, MAIN_ROUNDS));
    let trips = Workload::RoundTrips { message: 64, count: 5000 };
    all.push(other("round trip 64 B", Unit::RoundTrip, trips, MAIN_ROUNDS));
    all.push(other("open", Unit::Open, Workload::Open { count: 3 }, MAIN_ROUNDS));
    all.push(other("pairs 200", Unit::Pairs, Workload::Pairs { count: 200, at_a_time: PAIRS_AT_A_TIME }, 3));
    for round_trip in [10, 50, 200] {
        for loss in [0.0, 0.001, 0.01, 0.05] {
            let path = Path { loss, delay: Duration::from_millis(round_trip / 2), ..Path::default() };
            let name = format!("{round_trip} ms, {} % loss", loss * 100.0);
            let rounds = if round_trip == 50 && loss != 0.001 { 2 } else { 1 };
            all.push(Scenario { rounds, ..relayed(name, path, 0.5, 2.0) });
        }
    }
    for (name, queue) in [("one product", PRODUCT), ("a tenth", PRODUCT / 10)] {
        let path = Path { rate: Some(RATE), delay: Duration::from_millis(25), queue, ..Path::default() };
        let name = format!("50 ms, 100 Mbit/s, queue of {name}");
        // The beginning is over by then, and the share is that of a flow that goes on.
        all.push(Scenario { unit: Unit::Narrow, rounds: 1, ..relayed(name, path, 8.0, 4.0) });
    }
    let count = |name: &str, tool, parts| {
        let workload = Workload::Bulk { message: 64 << 10, warm_up: 0.0, seconds: 2.0, overlap: 0.0 };
        Scenario { unit: Unit::Count(tool), workload, rounds: 1, parts, ..bulk(name.into(), 64, 2.0) }
    };
    all.push(count("system calls per MB, both ends", Tool::SystemCalls, BULK));
    all.push(count("allocations per MB, both ends", Tool::Allocations, OWN));
    all.push(count("copies of each byte by memcpy, both ends", Tool::Copies, OWN));
    all
}

/// Enough for stacks that wait in between to have others to go on with.
const PAIRS_AT_A_TIME: usize = 100;
/// The narrow place, in bits per second.
pub(crate) const RATE: u64 = 100_000_000;
/// What is on its way in 50 ms at this rate, in bytes.
const PRODUCT: usize = 100_000_000 / 8 / 20;

fn bulk(name: String, kib: usize, seconds: f64) -> Scenario {
    Scenario {
        name,
        unit: Unit::Throughput,
        workload: Workload::Bulk { message: kib << 10, warm_up: 0.2, seconds, overlap: 0.2 },
        unordered: false,
        path: None,
        is_tuned: false,
        rounds: 2,
        parts: ALL,
    }
}

/// Through a relay.
fn relayed(name: String, path: Path, warm_up: f64, seconds: f64) -> Scenario {
    // The other end hears of everything later.
    let overlap = 0.2 + path.delay.as_secs_f64() * 4.0;
    let workload = Workload::Bulk { message: 16 << 10, warm_up, seconds, overlap };
    Scenario { path: Some(path), workload, parts: RELAYED, ..bulk(name, 16, seconds) }
}
