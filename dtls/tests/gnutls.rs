//! GnuTLS on the other side, in both roles.
//!
//! `gnutls-serv` listens on every interface there is, so each test runs in a network namespace of its own.

#![allow(clippy::disallowed_methods, reason = "another program on real sockets lives in real time")]
#![allow(clippy::unwrap_used, reason = "a test's helpers may fail as the test itself may")]

mod process;

use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use process::{Certificates, FAIR, FOUL, Kind, Ours, Process, Weather, fingerprint, identity, provider};
use visavis_dtls::{Config, Error, Event, Role, SrtpProfile};

const LABEL: &str = "EXTRACTOR-dtls_srtp";

/// Runs the test NAME again in a namespace where there is nothing but loopback; true inside.
fn isolated(name: &str) -> bool {
    const INSIDE: &str = "VISAVIS_DTLS_TEST_ISOLATED";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut command = Command::new("unshare");
    command.args([
        "--map-root-user",
        "--net",
        "sh",
        "-c",
        "ip link set lo up && exec \"$0\" --exact \"$1\" --nocapture",
    ]);
    let test = std::env::current_exe().unwrap();
    let status = command.arg(test).arg(name).env(INSIDE, "1").status().expect("unshare and ip are installed");
    assert!(status.success(), "{name} failed in its namespace");
    false
}

/// A port that nobody uses in this namespace.
fn free_port() -> u16 {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

#[derive(Debug)]
struct Scenario {
    /// GnuTLS's certificate, and ours.
    theirs: Kind,
    ours: Kind,
    suite: Option<&'static str>,
    group: Option<&'static str>,
    /// Whether the server, theirs or ours, asks for a cookie.
    cookie: bool,
    /// Whether GnuTLS knows the extended master secret.
    extended_master_secret: bool,
    mtu: usize,
    weather: Weather,
    seed: u64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            theirs: Kind::EcdsaP256,
            ours: Kind::EcdsaP256,
            suite: None,
            group: None,
            cookie: false,
            extended_master_secret: true,
            mtu: 1200,
            weather: FAIR,
            seed: 1,
        }
    }
}

impl Scenario {
    fn config(&self, role: Role, ours: &(PathBuf, PathBuf), theirs: &(PathBuf, PathBuf)) -> Config {
        let mut config = Config::new(identity(ours), role, vec![fingerprint(theirs)]);
        config.provider = provider(self.suite, self.group, &config.provider);
        config.srtp_profiles = vec![SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmSha1_80];
        config.require_cookie = self.cookie;
        config.require_extended_master_secret = self.extended_master_secret;
        config.mtu = self.mtu;
        config
    }

    fn gnutls(&self, command: &str, certificate: &(PathBuf, PathBuf)) -> Command {
        // It buffers its output otherwise, and what it knows comes too late.
        let mut gnutls = Command::new("stdbuf");
        gnutls.args(["-oL", command, "--udp", "--mtu", "1200", "--priority"]);
        gnutls.arg(match self.extended_master_secret {
            true => "NORMAL:-VERS-ALL:+VERS-DTLS1.2",
            false => "NORMAL:-VERS-ALL:+VERS-DTLS1.2:%NO_SESSION_HASH",
        });
        gnutls.arg("--x509certfile").arg(&certificate.0).arg("--x509keyfile").arg(&certificate.1);
        gnutls.args(["--srtp-profiles", "SRTP_AES128_CM_HMAC_SHA1_80"]);
        gnutls.args(["--keymatexport", LABEL, "--keymatexportsize", "60"]);
        gnutls
    }

    fn against_server(&self) {
        let files = Certificates::new();
        let (ours, theirs) = (files.make("ours", self.ours), files.make("theirs", self.theirs));
        let port = free_port();
        let mut command = self.gnutls("gnutls-serv", &theirs);
        command.args(["--echo", "--require-client-cert", "--port", &port.to_string()]);
        if !self.cookie {
            command.arg("--nocookie");
        }
        let mut gnutls = Process::start(&mut command);
        gnutls.wait_for("listening on IPv4");
        let address = ([127, 0, 0, 1], port).into();
        let mut client = Ours::new(self.config(Role::Client, &ours, &theirs), Some(address), self.weather, self.seed);
        self.connect(&mut client, &mut gnutls);
        // Whatever is sent comes back.
        let mut tries = 0;
        while client.received.is_empty() {
            client.send(b"hello from us\n");
            let sent = Instant::now();
            let patience = Duration::from_millis(500);
            client.run(&mut gnutls, "echo", |ours, _| !ours.received.is_empty() || sent.elapsed() > patience);
            tries += 1;
            assert!(tries < 50, "{}", gnutls.seen.join("\n"));
        }
        assert!(client.received.starts_with(b"hello from us\n"));
    }

    fn against_client(&self) {
        let files = Certificates::new();
        let (ours, theirs) = (files.make("ours", self.ours), files.make("theirs", self.theirs));
        let mut server = Ours::new(self.config(Role::Server, &ours, &theirs), None, self.weather, self.seed);
        let mut command = self.gnutls("gnutls-cli", &theirs);
        command.args(["--insecure", "--no-ca-verification", "127.0.0.1", "--port"]);
        let mut gnutls = Process::start(command.arg(server.address().port().to_string()));
        self.connect(&mut server, &mut gnutls);
        Self::compare_exports(&mut server, &mut gnutls);
        let mut tries = 0;
        while server.received.is_empty() {
            gnutls.write("hello from them\n");
            let sent = Instant::now();
            let patience = Duration::from_millis(500);
            server.run(&mut gnutls, "line", |ours, _| !ours.received.is_empty() || sent.elapsed() > patience);
            tries += 1;
            assert!(tries < 50, "{}", gnutls.seen.join("\n"));
        }
        assert!(server.received.starts_with(b"hello from them\n"));
        server.connection.close(Instant::now());
        if self.weather.lost == 0.0 {
            server.run(&mut gnutls, "end", |_, gnutls| gnutls.find("Peer has closed the GnuTLS connection").is_some());
        }
    }

    /// Connects and compares what was agreed.
    fn connect(&self, ours: &mut Ours, gnutls: &mut Process) {
        ours.run(gnutls, "handshake", |ours, _| !ours.events.is_empty());
        assert_eq!(ours.events, [Event::Connected], "{self:?} {}", gnutls.seen.join("\n"));
        if let Some(suite) = self.suite {
            assert_eq!(format!("{:?}", ours.connection.cipher_suite().unwrap()), suite);
        }
        assert_eq!(ours.connection.srtp_profile(), Some(SrtpProfile::Aes128CmSha1_80));
    }

    /// Only the client program tells what it exports.
    fn compare_exports(ours: &mut Ours, gnutls: &mut Process) {
        ours.run(gnutls, "exporter", |_, gnutls| gnutls.find("Key material: ").is_some());
        let mut exported = [0; 60];
        ours.connection.export_keying_material(LABEL, None, &mut exported).unwrap();
        let hexadecimal: String = exported.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(gnutls.find("Key material: ").unwrap(), hexadecimal);
    }

    fn both_ways(&self) {
        self.against_server();
        self.against_client();
    }
}

#[test]
fn every_cipher_suite_and_kind_of_certificate() {
    if !isolated("every_cipher_suite_and_kind_of_certificate") {
        return;
    }
    for (kind, suites) in [
        (
            Kind::EcdsaP256,
            [
                "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
                "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            ],
        ),
        (
            Kind::Rsa2048,
            [
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            ],
        ),
    ] {
        for suite in suites {
            Scenario { theirs: kind, ours: kind, suite: Some(suite), ..Scenario::default() }.both_ways();
        }
    }
}

#[test]
fn every_group() {
    if !isolated("every_group") {
        return;
    }
    // With RSA certificates: the curve of an ECDSA one must be among the groups too.
    for group in ["X25519", "secp256r1", "secp384r1"] {
        Scenario { theirs: Kind::Rsa2048, ours: Kind::Rsa2048, group: Some(group), ..Scenario::default() }.both_ways();
    }
}

#[test]
fn certificates_of_mixed_kinds_and_of_version_1() {
    if !isolated("certificates_of_mixed_kinds_and_of_version_1") {
        return;
    }
    for (theirs, ours) in [
        (Kind::EcdsaP384, Kind::Ed25519),
        (Kind::Ed25519, Kind::EcdsaP384),
        (Kind::EcdsaVersion1, Kind::RsaVersion1),
        (Kind::RsaVersion1, Kind::EcdsaVersion1),
    ] {
        Scenario { theirs, ours, ..Scenario::default() }.both_ways();
    }
}

#[test]
fn without_the_extended_master_secret_if_it_must_be() {
    if isolated("without_the_extended_master_secret_if_it_must_be") {
        Scenario { extended_master_secret: false, ..Scenario::default() }.both_ways();
    }
}

#[test]
fn a_cookie_is_asked_for() {
    if isolated("a_cookie_is_asked_for") {
        Scenario { cookie: true, ..Scenario::default() }.both_ways();
    }
}

#[test]
fn datagrams_lost_repeated_and_reordered() {
    if !isolated("datagrams_lost_repeated_and_reordered") {
        return;
    }
    for seed in 1..=4 {
        let ours = if seed % 2 == 0 { Kind::Rsa2048 } else { Kind::EcdsaP256 };
        Scenario { weather: FOUL, mtu: 400, ours, seed, ..Scenario::default() }.both_ways();
    }
}

#[test]
fn a_client_without_certificate_is_refused() {
    if !isolated("a_client_without_certificate_is_refused") {
        return;
    }
    let files = Certificates::new();
    let (ours, theirs) = (files.make("ours", Kind::EcdsaP256), files.make("theirs", Kind::EcdsaP256));
    let mut server = Ours::new(Scenario::default().config(Role::Server, &ours, &theirs), None, FAIR, 1);
    let mut command = Command::new("gnutls-cli");
    command.args(["--udp", "--insecure", "--no-ca-verification", "127.0.0.1", "--port"]);
    let mut gnutls = Process::start(command.arg(server.address().port().to_string()));
    server.run(&mut gnutls, "alert", |_, gnutls| gnutls.find("Handshake failed").is_some());
    assert_eq!(server.events, [Event::Closed(Error::NoCertificate)]);
}
