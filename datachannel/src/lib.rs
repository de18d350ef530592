//! WebRTC data channels over SCTP without I/O (RFC 8831, RFC 8832).
