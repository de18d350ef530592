/// Two identities, each a self-signed certificate and its private key in PEM, for peers that encrypt.
///
/// Made anew for each run they would make another run of the same seed: certificates and ECDSA signatures differ in
/// length by a byte or two, and that decides which datagram finds a queue full. These are the same in every run, and
/// signatures with their keys, Ed25519, are always of 64 bytes. They are secret to nobody.
pub const IDENTITIES: [&str; 2] = [include_str!("../identities/a.pem"), include_str!("../identities/b.pem")];
