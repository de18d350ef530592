//! OpenSSL on the other side, in both roles.

#![allow(clippy::disallowed_methods, reason = "another program on real sockets lives in real time")]
#![allow(clippy::unwrap_used, reason = "a test's helpers may fail as the test itself may")]

mod process;

use std::path::PathBuf;
use std::process::Command;

use process::{Certificates, FAIR, FOUL, Kind, Ours, Process, Weather, fingerprint, identity, provider};
use visavis_dtls::{Config, Error, Event, Identity, KeyAlgorithm, Role, SrtpProfile};

const LABEL: &str = "EXTRACTOR-dtls_srtp";

/// One handshake and what follows it.
#[derive(Debug)]
struct Scenario {
    /// OpenSSL's certificate, and ours.
    theirs: Kind,
    ours: Kind,
    /// Our suite and group; OpenSSL has them all.
    suite: Option<&'static str>,
    group: Option<&'static str>,
    cookie: bool,
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
        config.mtu = self.mtu;
        config
    }

    fn openssl(command: &str, certificate: &(PathBuf, PathBuf)) -> Command {
        let mut openssl = Command::new("openssl");
        openssl.args([command, "-dtls1_2", "-cert"]).arg(&certificate.0).arg("-key").arg(&certificate.1);
        // Suites of RSA keys and of ECDSA keys alike, and profiles in an order that is not ours.
        openssl.args(["-use_srtp", "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM", "-mtu", "1200"]);
        openssl.args(["-keymatexport", LABEL, "-keymatexportlen", "60"]);
        openssl
    }

    fn against_server(&self) {
        let files = Certificates::new();
        let (ours, theirs) = (files.make("ours", self.ours), files.make("theirs", self.theirs));
        let mut command = Self::openssl("s_server", &theirs);
        command.args(["-accept", "127.0.0.1:0", "-Verify", "1"]);
        if self.cookie {
            command.arg("-listen");
        }
        let mut openssl = Process::start(&mut command);
        let address = openssl.wait_for("ACCEPT ").parse().unwrap();
        let mut client = Ours::new(self.config(Role::Client, &ours, &theirs), Some(address), self.weather, self.seed);
        self.converse(&mut client, &mut openssl);
        // s_server says nothing when told to end, so here the end comes from us.
        client.connection.close(std::time::Instant::now());
        if self.ends() {
            client.run(&mut openssl, "end", |_, openssl| openssl.find("DONE").is_some());
        }
    }

    fn against_client(&self) {
        let files = Certificates::new();
        let (ours, theirs) = (files.make("ours", self.ours), files.make("theirs", self.theirs));
        let mut server = Ours::new(self.config(Role::Server, &ours, &theirs), None, self.weather, self.seed);
        let mut command = Self::openssl("s_client", &theirs);
        let mut openssl = Process::start(command.arg("-connect").arg(server.address().to_string()));
        self.converse(&mut server, &mut openssl);
        openssl.write("Q\n");
        if self.ends() {
            server.run(&mut openssl, "close_notify", |ours, _| ours.events.len() > 1);
            assert_eq!(server.events, [Event::Connected, Event::Closed(Error::PeerClosed)]);
        }
    }

    /// Connects, compares what was agreed, sends a line each way, closes.
    fn converse(&self, ours: &mut Ours, openssl: &mut Process) {
        ours.run(openssl, "handshake", |ours, _| !ours.events.is_empty());
        assert_eq!(ours.events, [Event::Connected], "{self:?} {}", openssl.seen.join("\n"));
        if let Some(suite) = self.suite {
            assert_eq!(format!("{:?}", ours.connection.cipher_suite().unwrap()), suite);
        }
        ours.run(openssl, "exporter", |_, openssl| openssl.find("Keying material: ").is_some());
        let mut exported = [0; 60];
        ours.connection.export_keying_material(LABEL, None, &mut exported).unwrap();
        let hexadecimal: String = exported.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(openssl.find("Keying material: ").unwrap(), hexadecimal);
        let profile = openssl.find("SRTP Extension negotiated, profile=").unwrap();
        let agreed = ours.connection.srtp_profile().unwrap();
        assert_eq!(
            profile,
            if agreed == SrtpProfile::AeadAes128Gcm { "SRTP_AEAD_AES_128_GCM" } else { "SRTP_AES128_CM_SHA1_80" }
        );

        // Repeated until it is there, because nobody promises that it arrives.
        ours.run(openssl, "line to OpenSSL", |_, _| true);
        let mut tries = 0;
        while openssl.find("hello from us").is_none() {
            ours.send(b"hello from us\n");
            let sent = std::time::Instant::now();
            ours.run(openssl, "line to OpenSSL", |_, openssl| {
                openssl.find("hello from us").is_some() || sent.elapsed().as_millis() > 500
            });
            tries += 1;
            assert!(tries < 50, "{}", openssl.seen.join("\n"));
        }
        tries = 0;
        while ours.received.is_empty() {
            openssl.write("hello from them\n");
            let sent = std::time::Instant::now();
            ours.run(openssl, "line from OpenSSL", |ours, _| {
                !ours.received.is_empty() || sent.elapsed().as_millis() > 500
            });
            tries += 1;
            assert!(tries < 50, "{}", openssl.seen.join("\n"));
        }
        assert!(ours.received.starts_with(b"hello from them\n"));
    }

    /// In the weather of these tests close_notify may get lost, and nobody repeats it.
    fn ends(&self) -> bool {
        self.weather.lost == 0.0
    }

    fn both_ways(&self) {
        self.against_server();
        self.against_client();
    }
}

#[test]
fn every_cipher_suite_and_kind_of_certificate() {
    for (theirs, suites) in [
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
            Scenario { theirs, ours: theirs, suite: Some(suite), ..Scenario::default() }.both_ways();
        }
    }
}

#[test]
fn every_group() {
    // With RSA certificates: the curve of an ECDSA one must be among the groups too.
    for group in ["X25519", "secp256r1", "secp384r1"] {
        Scenario { theirs: Kind::Rsa2048, ours: Kind::Rsa2048, group: Some(group), ..Scenario::default() }.both_ways();
    }
}

#[test]
fn certificates_of_mixed_kinds_and_of_version_1() {
    for (theirs, ours) in [
        (Kind::EcdsaP256, Kind::Rsa2048),
        (Kind::Rsa2048, Kind::EcdsaP256),
        (Kind::EcdsaP384, Kind::Ed25519),
        (Kind::EcdsaVersion1, Kind::RsaVersion1),
        (Kind::RsaVersion1, Kind::EcdsaVersion1),
    ] {
        Scenario { theirs, ours, ..Scenario::default() }.both_ways();
    }
    // Over DTLS, OpenSSL uses such a key as client only.
    Scenario { theirs: Kind::Ed25519, ours: Kind::EcdsaP384, ..Scenario::default() }.against_client();
}

#[test]
fn a_cookie_is_asked_for() {
    Scenario { cookie: true, ..Scenario::default() }.both_ways();
}

#[test]
fn small_datagrams() {
    Scenario { mtu: 300, theirs: Kind::Rsa2048, ours: Kind::Rsa2048, ..Scenario::default() }.both_ways();
}

#[test]
fn datagrams_lost_repeated_and_reordered_on_the_way_to_a_server() {
    for seed in 1..=6 {
        Scenario { weather: FOUL, mtu: 400, seed, ..Scenario::default() }.against_server();
    }
}

#[test]
fn datagrams_lost_repeated_and_reordered_on_the_way_to_a_client() {
    for seed in 11..=16 {
        let cookie = seed % 2 == 0;
        Scenario { weather: FOUL, mtu: 400, cookie, ours: Kind::Rsa2048, seed, ..Scenario::default() }.against_client();
    }
}

#[test]
fn an_unexpected_certificate_ends_it() {
    let files = Certificates::new();
    let (ours, theirs) = (files.make("ours", Kind::EcdsaP256), files.make("theirs", Kind::EcdsaP256));
    let other = Identity::generate_with(KeyAlgorithm::EcdsaP256).unwrap();
    let scenario = Scenario::default();
    let mut config = scenario.config(Role::Server, &ours, &theirs);
    config.peer_fingerprints = vec![other.fingerprint(visavis_dtls::HashAlgorithm::Sha256)];
    let mut server = Ours::new(config, None, FAIR, 1);
    let mut command = Scenario::openssl("s_client", &theirs);
    let mut openssl = Process::start(command.arg("-connect").arg(server.address().to_string()));
    server.run(&mut openssl, "alert", |_, openssl| openssl.find("alert bad certificate").is_some());
    assert_eq!(server.events, [Event::Closed(Error::FingerprintMismatch)]);
}

#[test]
fn a_client_without_certificate_is_refused() {
    let files = Certificates::new();
    let (ours, theirs) = (files.make("ours", Kind::EcdsaP256), files.make("theirs", Kind::EcdsaP256));
    let mut server = Ours::new(Scenario::default().config(Role::Server, &ours, &theirs), None, FAIR, 1);
    let mut command = Command::new("openssl");
    command.args(["s_client", "-dtls1_2", "-connect"]).arg(server.address().to_string());
    let mut openssl = Process::start(&mut command);
    server.run(&mut openssl, "alert", |_, openssl| openssl.find("alert handshake failure").is_some());
    assert_eq!(server.events, [Event::Closed(Error::NoCertificate)]);
}

#[test]
fn the_echo_example_is_a_server_and_a_client_for_openssl() {
    let files = Certificates::new();
    let (ours, theirs) = (files.make("ours", Kind::EcdsaP256), files.make("theirs", Kind::EcdsaP256));
    let cargo = |verb: &str| {
        let mut command = Command::new(env!("CARGO"));
        command.args([verb, "--quiet", "--package", "visavis-dtls", "--example", "dtls_echo"]);
        command
    };
    // What is to be compiled takes its time before that of the scenario begins.
    assert!(cargo("build").status().unwrap().success());
    let echo = |role: &str, address: &str| {
        Process::start(cargo("run").args(["--", role, address]).arg(files.path("ours")).arg(&theirs.0))
    };

    let mut server = echo("server", "127.0.0.1:0");
    let address = server.wait_for("Server at ");
    let mut command = Scenario::openssl("s_client", &theirs);
    let mut openssl = Process::start(command.arg("-connect").arg(address));
    server.wait_for("connected");
    openssl.write("come back\n");
    openssl.wait_for("come back");

    let mut command = Scenario::openssl("s_server", &theirs);
    let mut openssl = Process::start(command.args(["-accept", "127.0.0.1:0", "-Verify", "1"]));
    let address = openssl.wait_for("ACCEPT ");
    let mut client = echo("client", &address);
    client.write("go there\n");
    openssl.wait_for("go there");
    assert!(ours.0.exists(), "the certificates live as long as the programs");
}
