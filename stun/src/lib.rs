//! STUN messages, integrity, fingerprint and transactions (RFC 8489).
