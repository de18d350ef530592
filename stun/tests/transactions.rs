//! The retransmission schedule, in virtual time.

use std::time::{Duration, Instant};

use visavis_stun::{
    Action, Builder, Class, ErrorCode, Message, Method, Retransmission, RoundTrip, Schedule, Transaction, TransactionId,
};

#[expect(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
fn start() -> Instant {
    Instant::now()
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// When requests are sent, and when the transaction fails, from its start.
fn run(schedule: Schedule) -> (Vec<Duration>, Duration) {
    let start = start();
    let mut retransmission = Retransmission::with_schedule(start, schedule);
    let mut sent = Vec::new();
    while let Some(now) = retransmission.poll_timeout() {
        match retransmission.handle_timeout(now) {
            Action::Send => sent.push(now - start),
            Action::Failed => return (sent, now - start),
            Action::Wait => panic!("it said that something was due"),
        }
    }
    panic!("it ended without saying so");
}

#[test]
fn requests_are_sent_at_the_times_of_the_specification() {
    let (sent, failed) = run(Schedule::default());
    assert_eq!(sent, [0, 500, 1500, 3500, 7500, 15_500, 31_500].map(ms));
    assert_eq!(failed, ms(39_500));
}

#[test]
fn over_tcp_one_request_is_sent_and_waited_for_as_long() {
    assert_eq!(run(Schedule::RELIABLE), (vec![ms(0)], ms(39_500)));
}

#[test]
fn the_schedule_follows_its_parameters() {
    let (sent, failed) = run(Schedule { rto: ms(100), requests: 3, patience: 5 });
    assert_eq!((sent, failed), ([0, 100, 300].map(ms).to_vec(), ms(800)));
    let (sent, failed) = run(Schedule { rto: ms(100), requests: 0, patience: 1 });
    assert_eq!((sent, failed), (vec![ms(0)], ms(100)));
}

#[test]
fn no_parameter_overflows_the_clock() {
    let (sent, _) = run(Schedule { rto: Duration::MAX, requests: 40, patience: u32::MAX });
    assert_eq!(sent.len(), 40);
}

#[test]
fn early_and_repeated_calls_do_nothing() {
    let start = start();
    let mut retransmission = Retransmission::new(start, ms(500));
    assert_eq!(retransmission.handle_timeout(start), Action::Send);
    assert_eq!(retransmission.handle_timeout(start), Action::Wait);
    assert_eq!(retransmission.handle_timeout(start + ms(499)), Action::Wait);
    assert_eq!(retransmission.sent(), 1);
    assert_eq!(retransmission.handle_timeout(start + ms(500)), Action::Send);
}

#[test]
fn a_late_call_sends_once() {
    let start = start();
    let mut retransmission = Retransmission::new(start, ms(500));
    assert_eq!(retransmission.handle_timeout(start), Action::Send);
    assert_eq!(retransmission.handle_timeout(start + ms(10_000)), Action::Send);
    assert_eq!(retransmission.handle_timeout(start + ms(10_000)), Action::Wait);
    assert_eq!(retransmission.poll_timeout(), Some(start + ms(11_000)));
}

#[test]
fn a_failed_transaction_stays_failed_and_asks_for_no_timer() {
    let start = start();
    let mut retransmission = Retransmission::with_schedule(start, Schedule { rto: ms(1), requests: 1, patience: 1 });
    assert_eq!(retransmission.handle_timeout(start), Action::Send);
    assert_eq!(retransmission.handle_timeout(start + ms(1)), Action::Failed);
    assert_eq!(retransmission.handle_timeout(start + ms(9_999)), Action::Failed);
    assert_eq!(retransmission.poll_timeout(), None);
}

#[test]
fn the_round_trip_is_told_only_if_nothing_was_sent_again() {
    let start = start();
    let mut retransmission = Retransmission::new(start, ms(500));
    assert_eq!(retransmission.rtt(start), None, "nothing is sent yet");
    retransmission.handle_timeout(start + ms(3));
    assert_eq!(retransmission.rtt(start + ms(45)), Some(ms(42)));
    retransmission.handle_timeout(start + ms(503));
    assert_eq!(retransmission.rtt(start + ms(510)), None);
}

#[test]
fn only_a_response_with_the_same_id_answers() {
    let id = TransactionId([7; 12]);
    let transaction = Transaction::new(start(), id, Schedule::default());
    let answers = |class, id| {
        let mut buf = Vec::new();
        Builder::new(&mut buf, class, Method::BINDING, id);
        transaction.is_answered_by(&Message::decode(&buf).expect("a header is a message"))
    };
    assert!(answers(Class::Success, id));
    assert!(answers(Class::Error, id));
    assert!(!answers(Class::Request, id));
    assert!(!answers(Class::Indication, id));
    assert!(!answers(Class::Success, TransactionId([8; 12])));
    assert_eq!(ErrorCode::ROLE_CONFLICT.to_string(), "487 Role Conflict");
}

#[test]
fn the_next_timeout_follows_the_round_trips_seen_for_ten_minutes() {
    let start = start();
    let mut round_trip = RoundTrip::new(ms(100));
    assert_eq!(round_trip.rto(start), ms(100));
    round_trip.sample(start, ms(80));
    assert_eq!(round_trip.rto(start), ms(80 + 4 * 40), "RFC 6298, section 2.2");
    round_trip.sample(start, ms(80));
    assert_eq!(round_trip.rto(start), ms(80 + 4 * 30), "RFC 6298, section 2.3");
    for _ in 0..50 {
        round_trip.sample(start, ms(10));
    }
    assert_eq!(round_trip.rto(start), ms(100), "not below the minimum");
    round_trip.sample(start, Duration::MAX);
    assert!(round_trip.rto(start) > ms(1000));
    assert_eq!(round_trip.rto(start + Duration::from_secs(601)), ms(100), "it is forgotten");
}
