//! DTLS 1.2 for WebRTC: client and server without I/O (RFC 6347, RFC 5764).
