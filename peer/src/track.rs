//! Tracks, as the application holds them.

mod local;
mod remote;

pub(crate) use local::Local;
pub use local::LocalTrack;
pub(crate) use remote::Remote;
pub use remote::RemoteTrack;
