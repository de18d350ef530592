//! Session descriptions (RFC 8866) with the attributes of WebRTC typed and everything else kept verbatim.
