//! Protects RTP and RTCP packets, or opens them: reads one packet per line in hexadecimal digits, writes one per line.
//!
//! ```sh
//! cargo run -p visavis-srtp --example protect -- protect|open PROFILE MASTER_KEY MASTER_SALT
//! ```
//!
//! A profile is `aes128-80`, `aes128-32`, `gcm128` or `gcm256`; key and salt are hexadecimal, of 16 and 14, 16 and 12 or
//! 32 and 12 bytes. Which of both a packet is, is seen by its second byte (RFC 5761, section 4). Spaces and colons between
//! digits are passed over, so that lines can be copied out of Wireshark. What is refused is said on standard error, with
//! its line, and the program ends with 1 then.
//!
//! There and back again, with the keys of RFC 3711, appendix B.3:
//!
//! ```sh
//! keys='aes128-80 e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6'
//! echo '80 0f 1234 decafbad cafebabe abababababababababababababababab' |
//!   cargo run -q -p visavis-srtp --example protect -- protect $keys |
//!   tee /dev/stderr |
//!   cargo run -q -p visavis-srtp --example protect -- open $keys
//! ```

use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead, Write as _};
use std::process::ExitCode;

use visavis_srtp::{Inbound, Outbound, Profile};

const USAGE: &str = "usage: protect protect|open aes128-80|aes128-32|gcm128|gcm256 MASTER_KEY MASTER_SALT";

/// What is to be done with each packet.
enum Direction {
    Protect(Box<Outbound>),
    Open(Box<Inbound>),
}

impl Direction {
    fn from_arguments(arguments: &[String]) -> Result<Self, Box<dyn Error>> {
        let [direction, profile, key, salt] = arguments else { return Err(USAGE.into()) };
        let profile = match profile.as_str() {
            "aes128-80" => Profile::Aes128CmSha1_80,
            "aes128-32" => Profile::Aes128CmSha1_32,
            "gcm128" => Profile::AeadAes128Gcm,
            "gcm256" => Profile::AeadAes256Gcm,
            _ => return Err(USAGE.into()),
        };
        let key = from_hex(key).ok_or("the master key is not hexadecimal")?;
        let salt = from_hex(salt).ok_or("the master salt is not hexadecimal")?;
        let direction = match direction.as_str() {
            "protect" => Outbound::new(profile, &key, &salt).map(|outbound| Self::Protect(Box::new(outbound))),
            "open" => Inbound::new(profile, &key, &salt).map(|inbound| Self::Open(Box::new(inbound))),
            _ => return Err(USAGE.into()),
        };
        let (key, salt) = profile.key_and_salt();
        direction.ok_or_else(|| format!("{profile:?} has a key of {key} and a salt of {salt} bytes").into())
    }

    fn pass(&mut self, mut packet: Vec<u8>) -> Result<Vec<u8>, Box<dyn Error>> {
        let is_rtcp = packet.get(1).is_some_and(|kind| (192..=223).contains(kind));
        match self {
            Self::Protect(outbound) if is_rtcp => outbound.protect_rtcp(&mut packet, 0)?,
            Self::Protect(outbound) => outbound.protect_rtp(&mut packet, 0)?,
            Self::Open(inbound) => {
                let opened =
                    if is_rtcp { inbound.unprotect_rtcp(&mut packet) } else { inbound.unprotect_rtp(&mut packet) };
                return opened.map(|packet| packet.to_vec()).ok_or_else(|| format!("{:?}", inbound.stats()).into());
            }
        }
        Ok(packet)
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().filter(|digit| !digit.is_whitespace() && *digit != ':');
    let digits: Vec<u8> = digits.map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let (bytes, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| bytes.iter().map(|[high, low]| high << 4 | low).collect())
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut direction = Direction::from_arguments(&arguments)?;
    let mut status = ExitCode::SUCCESS;
    for (number, line) in (1..).zip(std::io::stdin().lock().lines()) {
        let passed = from_hex(&line?).ok_or_else(|| "not hexadecimal".into()).and_then(|packet| direction.pass(packet));
        match passed {
            Ok(packet) => writeln!(std::io::stdout(), "{}", to_hex(&packet))?,
            Err(error) => {
                eprintln!("line {number} is refused: {error}");
                status = ExitCode::FAILURE;
            }
        }
    }
    Ok(status)
}
