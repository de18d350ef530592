//! What is measured.

use std::time::Duration;

use contest::Workload;
use relay::Path;
use serde::{Serialize, Serializer};

/// What the numbers of a scenario are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unit {
    /// Megabytes per second.
    Throughput,
    /// Messages per second.
    Messages,
    /// Microseconds there and back.
    RoundTrip,
    /// Milliseconds until the channel is open.
    Open,
    /// Pairs per second, and bytes for each end.
    Pairs,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) workload: Workload,
    pub(crate) unordered: bool,
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<Path>,
    /// Where more rounds would take too long.
    #[serde(skip)]
    pub(crate) max_rounds: usize,
}

fn as_text<S: Serializer>(path: &Option<Path>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{path:?}"))
}

impl Scenario {
    /// How long the workload takes by itself.
    pub(crate) fn expected_time(&self) -> Duration {
        match self.workload {
            // What is in flight and in buffers arrives after the sender has stopped.
            Workload::Bulk { seconds, .. } => Duration::from_secs_f64(seconds * 10.0),
            Workload::Open { count } => Duration::from_secs(2 * count as u64),
            Workload::RoundTrips { .. } | Workload::Pairs { .. } => Duration::from_secs(60),
        }
    }
}

/// All scenarios, on a clean path first.
pub(crate) fn all(seconds: f64) -> Vec<Scenario> {
    let mut all = Vec::new();
    let bulk = |name: String, message, unordered| Scenario {
        name,
        unit: Unit::Throughput,
        workload: Workload::Bulk { message, seconds },
        unordered,
        path: None,
        max_rounds: usize::MAX,
    };
    for (unordered, order) in [(false, "ordered"), (true, "unordered")] {
        for kib in [1, 16, 64, 256] {
            all.push(bulk(format!("bulk {kib} KiB {order}"), kib << 10, unordered));
        }
    }
    all.push(Scenario { unit: Unit::Messages, ..bulk("messages 64 B".into(), 64, false) });
    let other = |name: &str, unit, workload| Scenario { unit, workload, ..bulk(name.into(), 0, false) };
    all.push(other("round trip 64 B", Unit::RoundTrip, Workload::RoundTrips { message: 64, count: 20_000 }));
    all.push(other("open", Unit::Open, Workload::Open { count: 10 }));
    all.push(other("pairs 200", Unit::Pairs, Workload::Pairs { count: 200, at_a_time: 8 }));
    for round_trip in [10, 50, 200] {
        for loss in [0.0, 0.001, 0.01, 0.05] {
            let path = Path { loss, delay: Duration::from_millis(round_trip / 2), ..Path::default() };
            let name = format!("path {round_trip} ms, {} % loss", loss * 100.0);
            all.push(relayed(bulk(name, 16 << 10, false), path));
        }
    }
    let product = 100_000_000 / 8 / 20;
    for (name, queue) in [("one product", product), ("a tenth", product / 10)] {
        let path = Path { rate: Some(100_000_000), delay: Duration::from_millis(25), queue, ..Path::default() };
        all.push(relayed(bulk(format!("path 50 ms, 100 Mbit/s, queue of {name}"), 16 << 10, false), path));
    }
    all
}

/// Through a relay; slower paths need longer to show what they do.
fn relayed(scenario: Scenario, path: Path) -> Scenario {
    let workload = match scenario.workload {
        Workload::Bulk { message, seconds } => Workload::Bulk { message, seconds: seconds * 2.0 },
        other @ (Workload::RoundTrips { .. } | Workload::Open { .. } | Workload::Pairs { .. }) => other,
    };
    Scenario { path: Some(path), workload, max_rounds: 3, ..scenario }
}
