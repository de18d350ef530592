//! SCTP associations without I/O, as WebRTC uses them (RFC 9260, RFC 3758, RFC 6525, RFC 8261).
