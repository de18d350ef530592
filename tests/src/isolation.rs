//! A network of its own for every test that starts a browser.
//!
//! Browsers hide their addresses behind mDNS names, and asking for those is multicast, which must not leave the
//! machine. So the test process starts itself again inside new network, PID and mount namespaces, with loopback and one
//! virtual Ethernet pair that leads nowhere. When the inner process ends, the kernel ends all that it started.

use std::{
    env,
    future::Future,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The interface's IPv4 address inside the namespace.
pub const IPV4: &str = "10.83.0.1";
/// The interface's IPv6 address inside the namespace.
pub const IPV6: &str = "fd83::1";

/// Set, to the scratch folder, inside the namespace.
const SCRATCH: &str = "VISAVIS_TEST_SCRATCH";

/// The far end of the pair gets no address, so that the near one is the machine's only interface.
const SETUP: &str = "set -e
    ip link set lo up
    ip link add visavis0 type veth peer name visavis1
    ip link set visavis1 addrgenmode none
    ip address add 10.83.0.1/24 dev visavis0
    ip address add fd83::1/64 dev visavis0 nodad
    ip link set visavis0 up
    ip link set visavis1 up
    ip route add default dev visavis0
    exec \"$@\"";

/// Runs `test` in a namespace of its own and fails as it fails. `name` is the test's full name in its binary, as
/// `module_path!()` and the function's name give it; `deadline` bounds the whole run.
///
/// # Panics
///
/// When the test fails, takes longer than `deadline`, or no namespace can be made: a test that cannot run is a failure.
pub fn isolated<F: Future<Output = ()>>(name: &str, deadline: Duration, test: impl FnOnce() -> F) {
    if is_isolated() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let ended = runtime.block_on(async { tokio::time::timeout(deadline, test()).await });
        return ended.unwrap_or_else(|_| panic!("not done after {deadline:?}"));
    }
    // The crate's own name is in the path but not in the test's name.
    let name = name.split_once("::").map_or(name, |(_, rest)| rest);
    let scratch = Scratch::new();
    let executable = env::current_exe().expect("the test's own path");
    let mut command = command(&executable, &scratch.0);
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    let output = command.output().expect("unshare (util-linux) and ip (iproute2) are installed");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} failed in its namespace: {}\n{stdout}\n{stderr}", output.status);
    // A name that fits no test would pass without running anything.
    assert!(stdout.contains("1 passed"), "{name} did not run in its namespace:\n{stdout}\n{stderr}");
    println!("{stdout}{stderr}");
}

/// What runs a program in a namespace of its own, where browsers write to the folder `scratch`. Arguments may follow.
#[must_use]
pub fn command(program: &Path, scratch: &Path) -> Command {
    let mut command = Command::new("unshare");
    if !is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", SETUP, "sh"]);
    command.arg(program).env(SCRATCH, scratch);
    command
}

/// Whether this process runs in such a namespace.
#[must_use]
pub fn is_isolated() -> bool {
    env::var_os(SCRATCH).is_some()
}

/// The folder for everything that browsers write; gone when the test ends.
///
/// # Panics
///
/// Outside of [`isolated`].
#[must_use]
pub fn scratch() -> PathBuf {
    PathBuf::from(env::var_os(SCRATCH).expect("called inside `isolated`"))
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id (coreutils) is installed");
    output.stdout.trim_ascii() == b"0"
}

/// A folder that goes when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        use std::{
            process,
            sync::atomic::{AtomicU32, Ordering},
        };
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("visavis-test-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(unique);
        std::fs::create_dir_all(&path).expect("a folder for what browsers write");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// A browser that is just being killed may still write, so one refusal is not the end.
fn remove(path: &Path) {
    for _ in 0..10 {
        if std::fs::remove_dir_all(path).is_ok() {
            return;
        }
    }
}
