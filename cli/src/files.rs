//! The folder where files from browsers end up, and from where they are offered.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::demo::hex;

/// A file that is always there, so that there is something to fetch: it is made up as it is read.
const SAMPLE: &str = "sample-16-MiB.bin";
const SAMPLE_SIZE: u64 = 16 << 20;
/// Files listed at most.
const LISTED: usize = 100;
/// The longest name kept, in bytes.
const LONGEST_NAME: usize = 120;
/// Names tried when one is taken.
const NAMES: u32 = 1000;

/// The folder, and what may be put there.
pub(crate) struct Store {
    directory: PathBuf,
    largest: u64,
    /// Bytes that may still be received, of all browsers together.
    quota: Arc<AtomicU64>,
}

/// A file that a browser may fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Offered {
    pub(crate) name: String,
    pub(crate) size: u64,
}

impl Store {
    /// Uses this folder, or makes a new one in the system's directory for temporary files, for this user alone. Files
    /// of at most `largest` bytes are received, `quota` bytes in all.
    pub(crate) fn open(directory: Option<PathBuf>, largest: u64, quota: u64) -> io::Result<Self> {
        let directory = match directory {
            Some(directory) => {
                std::fs::create_dir_all(&directory).map_err(|error| {
                    io::Error::new(error.kind(), format!("cannot use the folder {}: {error}", directory.display()))
                })?;
                directory
            }
            None => private_directory()?,
        };
        Ok(Self { directory, largest, quota: Arc::new(AtomicU64::new(quota)) })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The largest file accepted, in bytes.
    pub(crate) const fn largest(&self) -> u64 {
        self.largest
    }

    /// What can be fetched now, the sample first, then by name.
    pub(crate) async fn list(&self) -> Vec<Offered> {
        let mut offered = Vec::new();
        if let Ok(mut entries) = fs::read_dir(&self.directory).await {
            while let Ok(Some(entry)) = entries.next_entry().await {
                let name = entry.file_name().to_string_lossy().into_owned();
                // Of a link itself, not of what it leads to.
                if let Ok(data) = entry.metadata().await
                    && data.is_file()
                    && is_listed(&name)
                {
                    offered.push(Offered { name, size: data.len() });
                }
            }
        }
        offered.sort_by(|one, two| one.name.cmp(&two.name));
        offered.truncate(LISTED);
        offered.insert(0, Offered { name: SAMPLE.into(), size: SAMPLE_SIZE });
        offered
    }

    /// Opens one of the files that [`list`](Self::list) shows.
    pub(crate) async fn fetch(&self, name: &str) -> io::Result<Outgoing> {
        if name == SAMPLE {
            return Ok(Outgoing { size: SAMPLE_SIZE, source: Source::Sample { position: 0 }, hash: Sha256::new() });
        }
        if !is_listed(name) || sanitised(name) != name {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no file {name:?}")));
        }
        let path = self.directory.join(name);
        // What is listed are files, not links that lead elsewhere or pipes that wait for ever.
        if !fs::symlink_metadata(&path).await?.is_file() {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no file {name:?}")));
        }
        let file = File::open(path).await?;
        let size = file.metadata().await?.len();
        Ok(Outgoing { size, source: Source::File(file), hash: Sha256::new() })
    }

    /// Makes room for a file from a browser. Its name keeps nothing that could lead out of the folder.
    pub(crate) async fn receive(&self, name: &str, size: u64) -> io::Result<Incoming> {
        if size > self.largest {
            let text = format!("{size} bytes are more than the {} that --largest-file allows", self.largest);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        let reserved = self.quota.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(size));
        let quota = match reserved {
            Ok(_) => Reservation { quota: self.quota.clone(), bytes: size },
            Err(left) => {
                let text = format!("{size} bytes are more than the {left} that --quota still allows");
                return Err(io::Error::new(io::ErrorKind::QuotaExceeded, text));
            }
        };
        let name = sanitised(name);
        for number in 0..NAMES {
            let name = if number == 0 { name.clone() } else { numbered(&name, number) };
            let part = self.directory.join(format!(".{name}.part"));
            let path = self.directory.join(&name);
            if fs::try_exists(&path).await? {
                continue;
            }
            match File::create_new(&part).await {
                Ok(file) => {
                    let hash = Sha256::new();
                    return Ok(Incoming { file, part, path, size, received: 0, hash, finished: false, quota });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("there are {NAMES} files called {name:?} already")))
    }
}

/// A file on its way to a browser.
pub(crate) struct Outgoing {
    pub(crate) size: u64,
    source: Source,
    hash: Sha256,
}

enum Source {
    Sample { position: u64 },
    File(File),
}

impl Outgoing {
    /// Fills `buf` as far as there is something, and returns how far that was.
    pub(crate) async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.source {
            Source::Sample { position } => {
                let count = buf.len().min(usize::try_from(SAMPLE_SIZE - *position).unwrap_or(usize::MAX));
                for (byte, place) in buf.iter_mut().zip(*position..).take(count) {
                    *byte = sample(place);
                }
                *position += count as u64;
                count
            }
            Source::File(file) => file.read(buf).await?,
        };
        self.hash.update(buf.get(..count).unwrap_or_default());
        Ok(count)
    }

    /// The hash of all that was read.
    pub(crate) fn hash(self) -> [u8; 32] {
        self.hash.finalize().into()
    }
}

/// A byte of the sample: neither constant nor repeating within any block that is sent.
const fn sample(place: u64) -> u8 {
    (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// A file on its way from a browser. What is not finished is removed.
pub(crate) struct Incoming {
    file: File,
    part: PathBuf,
    path: PathBuf,
    size: u64,
    received: u64,
    hash: Sha256,
    finished: bool,
    quota: Reservation,
}

/// Room in the quota, given back when a file is not kept.
struct Reservation {
    quota: Arc<AtomicU64>,
    bytes: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.quota.fetch_add(self.bytes, Relaxed);
    }
}

impl Incoming {
    /// Appends, and says whether all is there.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<bool> {
        self.received += bytes.len() as u64;
        if self.received > self.size {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "more came than was announced"));
        }
        self.hash.update(bytes);
        self.file.write_all(bytes).await?;
        Ok(self.is_complete())
    }

    pub(crate) const fn is_complete(&self) -> bool {
        self.received == self.size
    }

    pub(crate) const fn received(&self) -> u64 {
        self.received
    }

    /// Gives the file its name, if its hash is the expected one, and returns that name. A file that is not what was
    /// sent never has one.
    pub(crate) async fn finish(mut self, expected: &str) -> io::Result<String> {
        let sha256 = hex(&std::mem::take(&mut self.hash).finalize());
        if !self.is_complete() || !sha256.eq_ignore_ascii_case(expected) {
            let text = format!("its SHA-256 here, {sha256}, is not the sender's, so it is not kept");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        self.file.flush().await?;
        fs::rename(&self.part, &self.path).await?;
        self.finished = true;
        self.quota.bytes = 0;
        Ok(self.path.file_name().unwrap_or_default().to_string_lossy().into_owned())
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = std::fs::remove_file(&self.part)
        {
            tracing::warn!(%error, path = %self.part.display(), "could not remove an unfinished file");
        }
    }
}

/// A folder that did not exist before and that nobody else can look into.
fn private_directory() -> io::Result<PathBuf> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let base = std::env::temp_dir();
    for number in 0..NAMES {
        let directory = base.join(format!("visavis-{}-{number}", std::process::id()));
        match builder.create(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                let text =
                    format!("cannot make the folder {}: {error}; name one with --directory", directory.display());
                return Err(io::Error::new(error.kind(), text));
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "no free name for a folder; name one with --directory"))
}

/// Hidden files stay so, the unfinished ones among them.
fn is_listed(name: &str) -> bool {
    !name.starts_with('.') && name != SAMPLE
}

/// The last part of a path, without what could mislead a file system or a terminal.
fn sanitised(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut clean: String = last
        .chars()
        .map(|c| if c.is_control() || matches!(c, ':' | '*' | '?' | '"' | '<' | '>' | '|') { '_' } else { c })
        .collect();
    while clean.len() > LONGEST_NAME {
        clean.pop();
    }
    let clean = clean.trim().trim_start_matches('.');
    if clean.is_empty() || clean == SAMPLE { format!("file-{clean}") } else { clean.to_owned() }
}

/// `name (2).txt` for `name.txt`.
fn numbered(name: &str, number: u32) -> String {
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => format!("{stem} ({}).{ending}", number + 1),
        Some(_) | None => format!("{name} ({})", number + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::{Store, numbered, sanitised};

    /// Of `12345`, from `sha256sum`.
    const HASH: &str = "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5";

    #[test]
    fn names_cannot_lead_out_of_the_folder() {
        let cases = [
            ("notes.txt", "notes.txt"),
            ("../../etc/passwd", "passwd"),
            ("C:\\secrets\\key", "key"),
            ("..", "file-"),
            ("", "file-"),
            (".bashrc", "bashrc"),
            ("a\u{1b}[2Jb\n", "a_[2Jb_"),
            ("sample-16-MiB.bin", "file-sample-16-MiB.bin"),
            ("Žluťoučký kůň.txt", "Žluťoučký kůň.txt"),
        ];
        for (given, expected) in cases {
            assert_eq!(sanitised(given), expected, "{given:?}");
        }
        assert!(sanitised(&"ž".repeat(500)).len() <= 120);
    }

    #[test]
    fn a_taken_name_is_numbered_before_its_ending() {
        assert_eq!(numbered("a.tar.gz", 1), "a.tar (2).gz");
        assert_eq!(numbered("README", 2), "README (3)");
    }

    #[tokio::test]
    async fn a_file_is_received_whole_or_not_at_all() {
        let store = Store::open(None, 1000, 30).unwrap();
        let directory = store.directory().to_owned();
        assert!(store.receive("large", 1001).await.is_err(), "larger than any file may be");
        assert!(store.receive("large", 31).await.is_err(), "larger than what may still come");

        let mut lost = store.receive("lost.txt", 10).await.unwrap();
        assert!(!lost.write(b"12345").await.unwrap());
        drop(lost);
        assert_eq!(store.list().await.len(), 1, "only the sample");

        for expected in ["kept.txt", "kept (2).txt"] {
            let mut kept = store.receive("kept.txt", 5).await.unwrap();
            assert!(kept.write(b"12345").await.unwrap());
            assert!(kept.write(b"6").await.is_err(), "more than announced");
            drop(kept);
            let mut kept = store.receive("kept.txt", 5).await.unwrap();
            kept.write(b"12345").await.unwrap();
            assert_eq!(kept.finish(HASH).await.unwrap(), expected);
        }
        let mut outgoing = store.fetch("kept.txt").await.unwrap();
        let mut buf = [0; 16];
        assert_eq!((outgoing.size, outgoing.read(&mut buf).await.unwrap()), (5, 5));
        assert!(store.fetch("../kept.txt").await.is_err());
        assert!(store.receive("more", 21).await.is_err(), "ten of the thirty bytes are used");
        store.receive("more", 20).await.unwrap();
        std::os::unix::fs::symlink("/etc/hostname", directory.join("link")).unwrap();
        assert!(store.fetch("link").await.is_err());
        std::fs::remove_dir_all(directory).unwrap();
    }
    #[tokio::test]
    async fn a_file_that_differs_is_not_kept() {
        let store = Store::open(None, 5, 5).unwrap();
        for (bytes, expected) in [(b"12346", HASH), (b"12345", ""), (b"12345", "5994471abb01112a")] {
            let mut differs = store.receive("differs.txt", 5).await.unwrap();
            differs.write(bytes).await.unwrap();
            assert!(differs.finish(expected).await.is_err(), "{expected:?}");
            let left = std::fs::read_dir(store.directory()).unwrap().count();
            assert_eq!(left, 0, "neither under its name nor under another");
        }
        let mut whole = store.receive("whole.txt", 5).await.expect("the room is given back");
        whole.write(b"12345").await.unwrap();
        assert_eq!(whole.finish(&HASH.to_uppercase()).await.unwrap(), "whole.txt");
        std::fs::remove_dir_all(store.directory()).unwrap();
    }
}
