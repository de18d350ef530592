//! One WebRTC peer connection without I/O: offer/answer, demultiplexing and all layers wired together.
