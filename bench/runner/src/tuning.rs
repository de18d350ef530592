//! The system's default socket buffers, raised for rivals that do not ask for their own.

use std::sync::Mutex;

const FILES: [&str; 4] = [
    "/proc/sys/net/core/rmem_max",
    "/proc/sys/net/core/wmem_max",
    "/proc/sys/net/core/rmem_default",
    "/proc/sys/net/core/wmem_default",
];
const BYTES: u64 = 4 << 20;

/// What is to be written back, also when a signal ends the runner.
static SAVED: Mutex<Vec<(&str, String)>> = Mutex::new(Vec::new());

/// Raised buffers, until this is dropped.
pub(crate) struct Tuned;

impl Tuned {
    /// Raises them, or says why not.
    pub(crate) fn begin() -> Result<Self, String> {
        let tuned = Self;
        for file in FILES {
            let before = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
            if before.trim().parse::<u64>().is_ok_and(|now| now >= BYTES) {
                continue;
            }
            std::fs::write(file, BYTES.to_string())
                .map_err(|error| format!("the system could not be tuned; {file}: {error}"))?;
            saved().push((file, before));
        }
        Ok(tuned)
    }
}

impl Drop for Tuned {
    fn drop(&mut self) {
        restore();
    }
}

fn saved() -> std::sync::MutexGuard<'static, Vec<(&'static str, String)>> {
    SAVED.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn restore() {
    for (file, before) in saved().drain(..) {
        if let Err(error) = std::fs::write(file, before.trim()) {
            eprintln!("{file} could not be set back to {}: {error}", before.trim());
        }
    }
}

/// Sets back what was raised when the runner is interrupted.
pub(crate) fn restore_on_signals() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        restore();
        std::process::exit(130);
    })
}
