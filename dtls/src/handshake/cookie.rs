use aws_lc_rs::hmac;

use crate::message::ClientHello;

/// Makes and checks cookies (RFC 6347, section 4.2.1). They say nothing about addresses, which this crate does not
/// know: a connection talks to one peer only, so its secret stands for the address.
pub(super) struct Cookies {
    secret: [u8; 32],
}

impl Cookies {
    pub(super) const fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.secret)
    }

    /// The cookie for a ClientHello: it covers all parameters, which must stay the same in the second one.
    pub(super) fn make(&self, hello: &ClientHello<'_>) -> hmac::Tag {
        hmac::sign(&self.key(), &Self::covered(hello))
    }

    pub(super) fn check(&self, hello: &ClientHello<'_>) -> bool {
        hmac::verify(&self.key(), &Self::covered(hello), hello.cookie).is_ok()
    }

    fn covered(hello: &ClientHello<'_>) -> Vec<u8> {
        let mut covered = Vec::new();
        ClientHello { cookie: &[], ..*hello }.encode(&mut covered);
        covered
    }
}
