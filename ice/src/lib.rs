//! Interactive Connectivity Establishment: a full agent without I/O (RFC 8445, RFC 8838, RFC 7675).
