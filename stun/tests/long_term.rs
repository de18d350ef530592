//! The client's side of the long-term credential mechanism against servers of every kind.

use visavis_stun::credentials::{self, Attempt, LongTerm, SecurityFeatures, Verdict};
use visavis_stun::{Attribute, Builder, Class, ErrorCode, Message, Method, PasswordAlgorithm, TransactionId, kind};

const ID: TransactionId = TransactionId(*b"transaction!");
const MD5_FIRST: [PasswordAlgorithm<'_>; 2] = [PasswordAlgorithm::MD5, PasswordAlgorithm::SHA256];
const SHA256_ONLY: [PasswordAlgorithm<'_>; 1] = [PasswordAlgorithm::SHA256];
const UNKNOWN: [PasswordAlgorithm<'_>; 1] = [PasswordAlgorithm { number: 77, parameters: b"salt!" }];

fn client() -> LongTerm {
    LongTerm::new("user", "pass")
}

fn request(client: &LongTerm) -> (Vec<u8>, Attempt) {
    let mut buf = Vec::new();
    let mut builder = Builder::new(&mut buf, Class::Request, Method::ALLOCATE, ID);
    let attempt = client.authenticate(builder.attribute(&Attribute::RequestedTransport(17)));
    builder.fingerprint();
    (buf, attempt)
}

/// An error response with realm and nonce, and a list of algorithms if it is not empty.
fn challenge(code: ErrorCode<'_>, realm: &str, nonce: &str, algorithms: &[PasswordAlgorithm<'_>]) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut builder = Builder::new(&mut buf, Class::Error, Method::ALLOCATE, ID);
    builder.attribute(&Attribute::ErrorCode(code));
    builder.attribute(&Attribute::Realm(realm)).attribute(&Attribute::Nonce(nonce));
    if !algorithms.is_empty() {
        builder.password_algorithms(algorithms.iter().copied());
    }
    buf
}

fn handle(client: &mut LongTerm, response: &[u8], attempt: Attempt) -> Verdict {
    client.handle_response(&Message::decode(response).expect("this test builds whole messages"), attempt)
}

/// A client that was challenged with `algorithms` and nonce `features` + "n1".
fn challenged(features: Option<SecurityFeatures>, algorithms: &[PasswordAlgorithm<'_>]) -> LongTerm {
    let mut client = client();
    let (_, bare) = request(&client);
    let nonce = features.map_or_else(|| "n1".to_owned(), |features| format!("{features}n1"));
    let verdict = handle(&mut client, &challenge(ErrorCode::UNAUTHENTICATED, "realm", &nonce, algorithms), bare);
    assert_eq!(verdict, Verdict::Retry);
    client
}

#[test]
fn the_first_request_is_bare_and_the_second_answers_the_challenge() {
    let (bytes, _) = request(&client());
    let message = Message::decode(&bytes).unwrap();
    assert!(!message.has(kind::USERNAME) && !message.has_integrity() && !message.has(kind::NONCE));

    let (bytes, _) = request(&challenged(None, &[]));
    let message = Message::decode(&bytes).unwrap();
    assert_eq!((message.username(), message.realm(), message.nonce()), (Some("user"), Some("realm"), Some("n1")));
    assert!(!message.has_integrity_sha256() && !message.has(kind::PASSWORD_ALGORITHM));
    assert_eq!(message.check_integrity(&credentials::long_term_key_md5("user", "realm", "pass")), Ok(()));
    assert_eq!(message.check_fingerprint(), Ok(()));
}

#[test]
fn the_first_known_algorithm_of_the_list_makes_the_key() {
    let features = SecurityFeatures::PASSWORD_ALGORITHMS;
    let md5 = credentials::long_term_key_md5("user", "realm", "pass").to_vec();
    let sha256 = credentials::long_term_key_sha256("user", "realm", "pass").to_vec();
    let unknown_first = [UNKNOWN[0], PasswordAlgorithm::SHA256, PasswordAlgorithm::MD5];
    for (list, number, key) in [(&MD5_FIRST[..], 1, &md5), (&SHA256_ONLY, 2, &sha256), (&unknown_first, 2, &sha256)] {
        let (bytes, _) = request(&challenged(Some(features), list));
        let message = Message::decode(&bytes).unwrap();
        // Whatever makes the key, HMAC-SHA256 it is once there is a list, and the list goes back as it came.
        assert!(!message.has_integrity());
        assert_eq!(message.check_integrity_sha256(key), Ok(()));
        assert!(message.password_algorithms().unwrap().iter().eq(list.iter().copied()));
        let chosen = message.attributes().find_map(|attribute| match attribute {
            Ok(Attribute::PasswordAlgorithm(algorithm)) => Some(algorithm.number),
            _ => None,
        });
        assert_eq!(chosen, Some(number));
    }
}

#[test]
fn the_username_is_hashed_where_the_server_wants_it_so() {
    let (bytes, _) = request(&challenged(Some(SecurityFeatures::USERNAME_ANONYMITY), &[]));
    let message = Message::decode(&bytes).unwrap();
    assert_eq!(message.username(), None);
    assert_eq!(message.userhash(), Some(&credentials::userhash("user", "realm")));
}

#[test]
fn a_list_without_a_known_algorithm_is_refused() {
    let mut client = client();
    let (_, bare) = request(&client);
    let response = challenge(ErrorCode::UNAUTHENTICATED, "realm", "n1", &UNKNOWN);
    assert_eq!(handle(&mut client, &response, bare), Verdict::Refused);
}

#[test]
fn a_nonce_that_announces_a_list_which_is_not_there_is_not_answered() {
    let nonce = format!("{}n1", SecurityFeatures::PASSWORD_ALGORITHMS);
    let mut client = client();
    let (_, bare) = request(&client);
    for code in [ErrorCode::UNAUTHENTICATED, ErrorCode::STALE_NONCE] {
        assert_eq!(handle(&mut client, &challenge(code, "realm", &nonce, &[]), bare), Verdict::Refused);
    }
    let other = challenge(ErrorCode::FORBIDDEN, "realm", &nonce, &[]);
    assert_eq!(handle(&mut client, &other, bare), Verdict::Discarded);
}

#[test]
fn wrong_credentials_are_not_tried_twice_in_one_realm() {
    let mut client = challenged(None, &[]);
    let (_, attempt) = request(&client);
    let response = challenge(ErrorCode::UNAUTHENTICATED, "realm", "n2", &[]);
    assert_eq!(handle(&mut client, &response, attempt), Verdict::Refused);
}

#[test]
fn another_realm_is_tried_but_not_for_ever() {
    let mut client = client();
    let mut tries = 0;
    let end = loop {
        let (_, attempt) = request(&client);
        let realm = format!("realm {tries}");
        let verdict = handle(&mut client, &challenge(ErrorCode::UNAUTHENTICATED, &realm, "n", &[]), attempt);
        if verdict != Verdict::Retry {
            break verdict;
        }
        tries += 1;
        assert!(tries < 100, "a server that always asks again must be left at last");
    };
    assert_eq!((end, tries), (Verdict::Refused, 4));
}

#[test]
fn a_stale_nonce_is_replaced_but_not_for_ever() {
    let mut client = challenged(None, &[]);
    for (n, expected) in (2..).zip([Verdict::Retry, Verdict::Retry, Verdict::Retry, Verdict::Refused]) {
        let (_, attempt) = request(&client);
        let nonce = format!("n{n}");
        let verdict = handle(&mut client, &challenge(ErrorCode::STALE_NONCE, "realm", &nonce, &[]), attempt);
        assert_eq!(verdict, expected, "{nonce}");
        let (bytes, _) = request(&client);
        assert_eq!(Message::decode(&bytes).unwrap().nonce() == Some(&nonce), expected == Verdict::Retry);
    }
}

#[test]
fn a_hundred_requests_under_way_when_the_nonce_goes_stale_are_all_sent_again() {
    let mut client = challenged(None, &[]);
    let attempts: Vec<_> = (0..100).map(|_| request(&client).1).collect();
    for attempt in attempts {
        let response = challenge(ErrorCode::STALE_NONCE, "realm", "n2", &[]);
        assert_eq!(handle(&mut client, &response, attempt), Verdict::Retry);
    }
    let (bytes, _) = request(&client);
    assert_eq!(Message::decode(&bytes).unwrap().nonce(), Some("n2"));
}

#[test]
fn two_requests_with_wrong_credentials_do_not_chase_each_other() {
    let mut client = client();
    let (_, bare) = request(&client);
    let response = challenge(ErrorCode::UNAUTHENTICATED, "realm", "n1", &[]);
    assert_eq!(handle(&mut client, &response, bare), Verdict::Retry);
    let (_, first) = request(&client);
    assert_eq!(handle(&mut client, &response, bare), Verdict::Retry, "the second was bare too");
    let (_, second) = request(&client);
    assert_eq!(handle(&mut client, &response, first), Verdict::Refused);
    assert_eq!(handle(&mut client, &response, second), Verdict::Refused);
}

#[test]
fn responses_count_only_with_the_right_integrity() {
    let md5 = credentials::long_term_key_md5("user", "realm", "pass");
    let sha256 = credentials::long_term_key_sha256("user", "realm", "pass");
    let respond = |integrity: &dyn Fn(&mut Builder<'_>)| {
        let mut buf = Vec::new();
        integrity(Builder::new(&mut buf, Class::Success, Method::ALLOCATE, ID).attribute(&Attribute::Lifetime(600)));
        buf
    };
    let none = respond(&|_| {});
    let wrong = respond(&|builder| _ = builder.integrity(b"other"));
    let sha1 = respond(&|builder| _ = builder.integrity(&md5));
    let good = respond(&|builder| _ = builder.integrity_sha256(&sha256));
    let truncated = respond(&|builder| _ = builder.integrity_sha256_truncated(&sha256, 16));

    let mut old = challenged(None, &[]);
    let (_, attempt) = request(&old);
    for (response, verdict) in [
        (&none, Verdict::Discarded),
        (&wrong, Verdict::Discarded),
        (&good, Verdict::Discarded),
        (&sha1, Verdict::Accepted),
    ] {
        assert_eq!(handle(&mut old, response, attempt), verdict);
    }
    let mut new = challenged(Some(SecurityFeatures::PASSWORD_ALGORITHMS), &SHA256_ONLY);
    let (_, attempt) = request(&new);
    for (response, verdict) in [
        (&none, Verdict::Discarded),
        (&sha1, Verdict::Discarded),
        (&truncated, Verdict::Discarded),
        (&good, Verdict::Accepted),
    ] {
        assert_eq!(handle(&mut new, response, attempt), verdict);
    }
}

#[test]
fn an_error_that_anybody_could_have_sent_does_not_end_an_authenticated_request() {
    let mut client = challenged(None, &[]);
    let (bytes, attempt) = request(&client);
    let request = Message::decode(&bytes).unwrap();
    for (code, verdict) in [
        (ErrorCode::BAD_REQUEST, Verdict::Discarded),
        (ErrorCode::ALLOCATION_QUOTA_REACHED, Verdict::Unproven), // coturn sends such
    ] {
        let mut bare = Vec::new();
        Builder::error(&mut bare, &request, code);
        assert_eq!(handle(&mut client, &bare, attempt), verdict);
        let mut wrong = Vec::new();
        Builder::error(&mut wrong, &request, code).integrity(b"other");
        assert_eq!(handle(&mut client, &wrong, attempt), Verdict::Discarded);
    }
    let mut honest = Vec::new();
    let key = credentials::long_term_key_md5("user", "realm", "pass");
    Builder::error(&mut honest, &request, ErrorCode::ALLOCATION_QUOTA_REACHED).integrity(&key);
    assert_eq!(handle(&mut client, &honest, attempt), Verdict::Accepted);
}

#[test]
fn a_server_that_asks_for_nothing_is_believed() {
    let mut client = client();
    let (bytes, bare) = request(&client);
    let mut response = Vec::new();
    Builder::success(&mut response, &Message::decode(&bytes).unwrap());
    assert_eq!(handle(&mut client, &response, bare), Verdict::Accepted);
}

#[test]
fn challenges_that_lack_something_or_are_too_long_are_refused() {
    let long = "x".repeat(764);
    let many: Vec<_> = (0..100).map(|number| PasswordAlgorithm { number, parameters: &[] }).collect();
    for (realm, nonce, algorithms) in [(&long[..], "n", &[][..]), ("realm", &long, &[]), ("realm", "n", &many)] {
        let mut client = client();
        let (_, bare) = request(&client);
        let response = challenge(ErrorCode::UNAUTHENTICATED, realm, nonce, algorithms);
        assert_eq!(handle(&mut client, &response, bare), Verdict::Refused);
    }
    let mut client = client();
    let (bytes, bare) = request(&client);
    let mut response = Vec::new();
    Builder::error(&mut response, &Message::decode(&bytes).unwrap(), ErrorCode::UNAUTHENTICATED);
    assert_eq!(handle(&mut client, &response, bare), Verdict::Refused);
}

#[test]
fn the_password_is_not_printed() {
    assert!(!format!("{:?}", LongTerm::new("user", "secret")).contains("secret"));
}
