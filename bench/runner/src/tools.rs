//! What tools count while a program runs: its system calls by perf or strace, its allocations and copies by valgrind.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};

use crate::scenarios::Tool;

#[derive(Clone, Copy)]
enum Program {
    Perf,
    Strace,
    Allocations,
    Copies,
}

/// Files in which a tool writes for each of two processes; gone with this.
pub(crate) struct Counting {
    program: Program,
    files: [PathBuf; 2],
}

impl Tool {
    /// Whether a process that has done nothing yet has done much.
    pub(crate) const fn has_much_to_begin_with(self) -> bool {
        matches!(self, Self::Allocations | Self::Copies)
    }
}

impl Counting {
    pub(crate) fn new(tool: Tool) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let program = match tool {
            Tool::Allocations => Program::Allocations,
            Tool::Copies => Program::Copies,
            Tool::SystemCalls if runs(&["perf", "stat", "-e", "raw_syscalls:sys_enter", "true"]) => Program::Perf,
            Tool::SystemCalls if runs(&["strace", "-c", "-f", "true"]) => Program::Strace,
            Tool::SystemCalls => bail!("neither perf nor strace runs here"),
        };
        if tool.has_much_to_begin_with() && !runs(&["valgrind", "--version"]) {
            bail!("valgrind is not installed");
        }
        let unique = format!("visavis-bench-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let files = ["offer", "answer"].map(|end| std::env::temp_dir().join(format!("{unique}-{end}")));
        Ok(Self { program, files })
    }

    /// What comes before the command of the program.
    pub(crate) fn wrapper(&self, place: usize) -> Vec<String> {
        let file = self.files[place].to_string_lossy();
        let dhat = |more: &str| {
            let mut words = vec!["valgrind".into(), "--tool=dhat".into(), "--dhat-out-file=/dev/null".into()];
            words.push(format!("--log-file={file}"));
            if !more.is_empty() {
                words.push(more.into());
            }
            words
        };
        match self.program {
            Program::Perf => {
                ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-o", &file, "--"].map(String::from).into()
            }
            Program::Strace => ["strace", "-c", "-f", "-qq", "-o", &file, "--"].map(String::from).into(),
            Program::Allocations => dhat(""),
            Program::Copies => dhat("--mode=copy"),
        }
    }

    /// What was counted, at both ends together.
    pub(crate) fn count(&self) -> Result<f64> {
        self.files.iter().map(|file| self.read(file)).sum()
    }

    fn read(&self, file: &PathBuf) -> Result<f64> {
        let text = std::fs::read_to_string(file)?;
        let number = |word: &str| word.replace(',', "").parse::<f64>().ok();
        let found = match self.program {
            Program::Perf => {
                text.lines().find(|line| line.contains("sys_enter")).and_then(|line| number(line.split(',').next()?))
            }
            Program::Strace => {
                let line = text.lines().rfind(|line| line.ends_with("total"));
                line.and_then(|line| number(line.split_whitespace().nth(3)?))
            }
            // ==1== Total:     15,384 bytes in 32 blocks
            Program::Allocations => dhat_total(&text).and_then(|words| number(words.get(3)?)),
            Program::Copies => dhat_total(&text).and_then(|words| number(words.first()?)),
        };
        found.with_context(|| format!("it is not understood: {text}"))
    }
}

fn dhat_total(text: &str) -> Option<Vec<&str>> {
    text.lines().find_map(|line| line.split_once("Total:")).map(|(_, rest)| rest.split_whitespace().collect())
}

fn runs(words: &[&str]) -> bool {
    let Some((program, arguments)) = words.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Drop for Counting {
    fn drop(&mut self) {
        for file in &self.files {
            // A program that did not start has written nothing.
            let _ = std::fs::remove_file(file);
        }
    }
}
