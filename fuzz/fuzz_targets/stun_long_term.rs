//! The long-term credential mechanism: whatever servers answer, the client asks a few times and not for ever, and
//! what it writes can be read.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use stun::credentials::{LongTerm, Verdict};
use stun::{Attribute, Builder, Class, ErrorCode, Message, Method, TransactionId, kind};

#[derive(Arbitrary, Debug)]
struct Response<'a> {
    success: bool,
    code: u8,
    realm: Option<&'a str>,
    /// Whether the nonce starts with a nonce cookie.
    cookie: bool,
    nonce: Option<&'a str>,
    algorithms: Option<&'a [u8]>,
    /// Whether it answers the first request, and not the last one.
    late: bool,
}

fuzz_target!(|responses: Vec<Response<'_>>| {
    let id = TransactionId([7; 12]);
    let mut client = LongTerm::new("user", "password");
    let mut first = None;
    let mut retries = 0;
    for response in responses {
        let mut request = Vec::new();
        let attempt = client.authenticate(&mut Builder::new(&mut request, Class::Request, Method::ALLOCATE, id));
        let request = Message::decode(&request).expect("what the client writes can be read");
        assert!(request.attributes().all(|attribute| attribute.is_ok()));
        assert_eq!(request.unknown_required().count(), 0);
        let first = *first.get_or_insert(attempt);

        let bytes = write(&response, id);
        let message = Message::decode(&bytes).expect("the builder writes whole messages");
        match client.handle_response(&message, if response.late { first } else { attempt }) {
            Verdict::Retry if !response.late => retries += 1,
            Verdict::Accepted => retries = 0,
            Verdict::Retry | Verdict::Discarded | Verdict::Unproven | Verdict::Refused => {}
        }
        assert!(retries <= 5, "it asks for ever");
    }
});

fn write(response: &Response<'_>, id: TransactionId) -> Vec<u8> {
    let mut bytes = Vec::new();
    let class = if response.success { Class::Success } else { Class::Error };
    let mut builder = Builder::new(&mut bytes, class, Method::ALLOCATE, id);
    if !response.success {
        let code = [401, 438, 400, 300 + u16::from(response.code)][usize::from(response.code % 4)];
        builder.attribute(&Attribute::ErrorCode(ErrorCode::new(code, "")));
    }
    if let Some(realm) = response.realm {
        builder.attribute(&Attribute::Realm(realm));
    }
    if let Some(nonce) = response.nonce {
        let nonce = if response.cookie { format!("obMatJos2{nonce}") } else { nonce.to_owned() };
        builder.attribute(&Attribute::Nonce(&nonce));
    }
    if let Some(value) = response.algorithms {
        builder.attribute(&Attribute::Unknown { kind: kind::PASSWORD_ALGORITHMS, value });
    }
    bytes
}
