//! Whatever a receiver claims of the packets that were sent to it, the estimate stays within its bounds, timers move on,
//! and what is remembered stays little.

use proptest::prelude::*;
use std::time::Duration;
use visavis_rtp::SequenceNumber;
use visavis_rtp::bandwidth::{Bitrate, Config, Estimator};
use visavis_rtp::rtcp::{FeedbackHeader, TransportFeedback};

#[derive(Clone, Debug)]
enum Step {
    /// Microseconds that pass.
    Wait(u32),
    Send {
        count: u8,
        size: usize,
    },
    /// Feedback of packets from a base on, with arrival times as they come.
    Feedback {
        base: u16,
        arrivals: Vec<Option<i64>>,
    },
    Loss(u8),
    Remb(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let arrival = prop_oneof![
        2 => Just(None),
        6 => (0_i64..4000).prop_map(Some),
        1 => any::<i64>().prop_map(Some),
    ];
    let base = prop_oneof![0_u16..300, any::<u16>()];
    prop_oneof![
        4 => (0_u32..3_000_000).prop_map(Step::Wait),
        4 => (any::<u8>(), prop_oneof![0_usize..1500, Just(usize::MAX)])
            .prop_map(|(count, size)| Step::Send { count, size }),
        8 => (base, prop::collection::vec(arrival, 1..60))
            .prop_map(|(base, arrivals)| Step::Feedback { base, arrivals }),
        1 => any::<u8>().prop_map(Step::Loss),
        1 => any::<u64>().prop_map(Step::Remb),
    ]
}

fn feedback(base: u16, arrivals: &[Option<i64>]) -> Vec<u8> {
    let header = FeedbackHeader { base: SequenceNumber(base), ..FeedbackHeader::default() };
    let mut buf = Vec::new();
    TransportFeedback::write(header, arrivals.iter().copied(), 1200, &mut buf);
    buf
}

proptest! {
    #[test]
    fn no_feedback_leads_out_of_bounds(steps in prop::collection::vec(any_step(), 1..80)) {
        let config = Config { history: 100, ..Config::default() };
        let mut now = sim::start();
        let mut estimator = Estimator::new(config, now);
        for step in steps {
            match step {
                Step::Wait(micros) => now += Duration::from_micros(micros.into()),
                Step::Send { count, size } => {
                    for _ in 0..count {
                        estimator.on_sent(now, size, None);
                    }
                }
                Step::Feedback { base, arrivals } => {
                    if let Ok(feedback) = TransportFeedback::decode(&feedback(base, &arrivals)) {
                        estimator.handle_feedback(now, &feedback);
                    }
                }
                Step::Loss(fraction) => estimator.handle_loss(now, fraction),
                Step::Remb(rate) => estimator.handle_remb(now, Bitrate(rate)),
            }
            estimator.handle_timeout(now);
            prop_assert!(estimator.poll_timeout().is_none_or(|due| due > now));
            prop_assert!(estimator.target() >= config.min && estimator.target() <= config.max);
            prop_assert!(std::iter::from_fn(|| estimator.poll_probe(now)).count() <= 2);
            prop_assert!(std::iter::from_fn(|| estimator.poll_event()).count() <= 1);
        }
    }
}

#[test]
fn a_receiver_that_claims_everything_gets_no_more_than_the_bound() {
    let config = Config { max: Bitrate::kilobits(2000), ..Config::default() };
    let mut now = sim::start();
    let mut estimator = Estimator::new(config, now);
    let mut ticks = 0;
    for _ in 0..2000 {
        now += Duration::from_millis(20);
        let cluster = estimator.poll_probe(now).map(|probe| probe.cluster);
        let first = estimator.on_sent(now, 1200, cluster);
        for _ in 0..9 {
            estimator.on_sent(now + Duration::from_millis(1), 1200, cluster);
        }
        // All of it at once, and without any delay.
        let arrivals: Vec<_> = (0..10).map(|_| Some(ticks)).collect();
        ticks += 80;
        let bytes = feedback(first.0, &arrivals);
        estimator.handle_feedback(now, &TransportFeedback::decode(&bytes).unwrap());
        estimator.handle_timeout(now);
    }
    assert!(estimator.target() <= config.max);
}
