//! The program's own page, clicked through: a chat, files both ways, live numbers, as initiator and as receiver; on this
//! machine, and as a phone in the same network has it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use fantoccini::{Client, Locator, elements::Element};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};
use visavis_tests::{
    browser::{Browser, Kind, Settings},
    isolation, pattern,
};

use crate::duo::{sha256, soon, within};

/// `VISAVIS_PROGRAM`, or `target/debug/visavis`, next to where this test is.
fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("VISAVIS_PROGRAM") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).expect("target/debug/deps/…").join("visavis")
}

/// The running program.
pub(crate) struct Program {
    pub(crate) child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) url: String,
}

impl Program {
    async fn start(directory: &Path, listen: &str) -> Self {
        Self::run(&["--no-demo", "--listen", listen, "--directory", &directory.to_string_lossy()]).await
    }

    /// Starts it with these arguments, and waits until it serves its page.
    pub(crate) async fn run(arguments: &[&str]) -> Self {
        let mut child = Command::new(program())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut program = Self { child, stdin, lines: BufReader::new(stdout).lines(), url: String::new() };
        let line = program.line_with("http://").await;
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        program.url = url.to_owned();
        program
    }

    /// The next line that it prints with this text inside.
    pub(crate) async fn line_with(&mut self, text: &str) -> String {
        let find = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                println!("program: {line}");
                if line.contains(text) {
                    return line;
                }
            }
            panic!("the program ended without saying {text:?}");
        };
        soon(find).await
    }
}

pub(crate) async fn element(client: &Client, css: &str) -> Element {
    let limit = Duration::from_secs(60);
    let found = client.wait().at_most(limit).for_element(Locator::Css(css)).await;
    found.unwrap_or_else(|error| panic!("{css}: {error}"))
}

/// The page may draw a list anew between finding something in it and clicking on that; then there is a new one.
pub(crate) async fn click(client: &Client, css: &str) {
    loop {
        match element(client, css).await.click().await {
            Ok(()) => return,
            Err(error) if error.is_stale_element_reference() => {}
            Err(error) => panic!("{css}: {error}"),
        }
    }
}

/// Each role of the page: connect, talk, send and fetch files, disconnect.
async fn click_through(client: &Client, program: &mut Program, role: &str, directory: &Path) {
    click(client, &format!("#connect-{role}")).await;
    element(client, "#state[data-state=connected]").await;
    element(client, "#chat-text:enabled").await;

    let said = format!("Grüße from the {role}");
    element(client, "#chat-text").await.send_keys(&said).await.unwrap();
    click(client, "#chat-send").await;
    program.line_with(&said).await;
    let typed = format!("typed into the terminal, to the {role}\n");
    program.stdin.write_all(typed.as_bytes()).await.unwrap();
    let wait = client.wait().at_most(Duration::from_secs(60));
    let heard = format!("//ol[@id='chat-log']/li[@class='theirs'][contains(., '{}')]", typed.trim());
    wait.for_element(Locator::XPath(&heard)).await.unwrap();

    choose_a_file(client, role, directory).await;
    drop_a_file(client, role, directory).await;
    click(client, "#offered button[data-name='sample-16-MiB.bin']").await;
    // The list keeps what earlier connections transferred: all of it is done.
    let wait = client.wait().at_most(Duration::from_secs(90));
    wait.for_element(Locator::XPath("//ul[@id='transfers'][not(li[@data-done='false' or @data-matches='false'])]"))
        .await
        .unwrap();
    element(client, "#transfers li[data-direction=received][data-matches=true]").await;
    let wait = client.wait().at_most(Duration::from_secs(60));
    wait.for_element(Locator::XPath("//dd[@id='rtt'][contains(., 'ms')]")).await.unwrap();
}

/// Both directions are measured, for five seconds each.
async fn measure(client: &Client) {
    for (button, verb) in [("#speed-download", "Received"), ("#speed-upload", "Sent")] {
        click(client, button).await;
        let done = format!("//p[@id='speed-result'][contains(., '{verb}') and contains(., 'per second')]");
        let wait = client.wait().at_most(Duration::from_secs(90));
        println!("{}", wait.for_element(Locator::XPath(&done)).await.unwrap().text().await.unwrap());
    }
}

/// A file chosen in the dialog arrives in the program's folder.
async fn choose_a_file(client: &Client, role: &str, directory: &Path) {
    let name = format!("chosen by the {role}.bin");
    let bytes = pattern::bytes(3_000_000, 8);
    let path = isolation::scratch().join(&name);
    std::fs::write(&path, &bytes).unwrap();
    element(client, "#file-input").await.send_keys(&path.to_string_lossy()).await.unwrap();
    arrived(client, directory, &name, &bytes).await;
}

/// So does one that is dropped onto the page.
async fn drop_a_file(client: &Client, role: &str, directory: &Path) {
    let name = format!("dropped by the {role}.txt");
    let text = "dropped ".repeat(50_000);
    let script = "const [name, text] = arguments;
        const transfer = new DataTransfer();
        transfer.items.add(new File([text], name));
        document.getElementById('drop').dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true }));";
    client.execute(script, vec![json!(name), json!(text)]).await.unwrap();
    arrived(client, directory, &name, text.as_bytes()).await;
}

/// The page says that the file matches, and it does.
async fn arrived(client: &Client, directory: &Path, name: &str, bytes: &[u8]) {
    let row = format!(
        "//ul[@id='transfers']/li[@data-direction='sent'][@data-done='true'][@data-matches='true'][contains(., '{name}')]"
    );
    let wait = client.wait().at_most(Duration::from_secs(90));
    let row = wait.for_element(Locator::XPath(&row)).await.unwrap();
    let hash = sha256(bytes);
    assert!(row.text().await.unwrap().contains(&hash), "the page shows the hash");
    assert_eq!(sha256(&std::fs::read(directory.join(name)).unwrap()), hash);
}

/// For the README, and for whoever wonders why this failed: kept, and handed back as PNG.
pub(crate) async fn take_screenshot(client: &Client, name: &str, kind: Kind) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("output");
    std::fs::create_dir_all(&folder).unwrap();
    let png = client.screenshot().await.unwrap();
    assert!(png.starts_with(b"\x89PNG"));
    std::fs::write(folder.join(format!("{name}-{kind:?}.png").to_lowercase()), &png).unwrap();
    png
}

async fn run(kind: Kind) {
    let directory = isolation::scratch().join("files");
    let mut program = Program::start(&directory, "127.0.0.1:0").await;
    let browser = Browser::launch(&Settings::new(kind).with_default_privacy()).await.unwrap();
    let client = browser.client();
    client.set_window_size(1100, 1300).await.unwrap();
    client.goto(&program.url).await.unwrap();
    for role in ["initiator", "receiver"] {
        within(Duration::from_secs(200), click_through(client, &mut program, role, &directory)).await;
        if role == "initiator" {
            measure(client).await;
            client.execute("scrollTo(0, 0)", vec![]).await.unwrap();
            take_screenshot(client, "demo", kind).await;
        }
        click(client, "#disconnect").await;
        element(client, "#state[data-state=closed]").await;
    }
}

/// The viewport of a phone, in CSS pixels.
const PHONE: (u64, u64) = (390, 844);

/// From another machine, the page is at an address without https: no secure context, so much of what browsers have
/// elsewhere is missing.
async fn run_as_phone(kind: Kind) {
    let directory = isolation::scratch().join("files");
    let mut program = Program::start(&directory, "0.0.0.0:0").await;
    let url = program.url.replace("0.0.0.0", isolation::IPV4);

    let browser = Browser::launch(&Settings::new(kind).with_default_privacy().with_popups()).await.unwrap();
    let client = browser.client();
    open_as_phone(client, &url).await;
    within(Duration::from_secs(200), click_through(client, &mut program, "receiver", &directory)).await;
    fits(client).await;
    client.execute("scrollTo(0, 0)", vec![]).await.unwrap();
    take_screenshot(client, "phone", kind).await;
    client.execute("document.getElementById('files').scrollIntoView()", vec![]).await.unwrap();
    take_screenshot(client, "phone-files", kind).await;
    hash_in_pieces(client).await;
    fail_to_read(client, &mut program).await;
    end_while_fetching(client).await;
    browser.close().await.unwrap();

    let browser = Browser::launch(&Settings::new(kind).with_dark_colours()).await.unwrap();
    let client = browser.client();
    client.set_window_size(1100, 1300).await.unwrap();
    client.goto(&url).await.unwrap();
    click(client, "#connect-initiator").await;
    element(client, "#chat-text:enabled").await;
    let wait = client.wait().at_most(Duration::from_secs(60));
    wait.for_element(Locator::XPath("//dd[@id='rtt'][contains(., 'ms')]")).await.unwrap();
    for (property, is_dark) in [("backgroundColor", true), ("color", false)] {
        let script = format!("return getComputedStyle(document.body).{property}");
        let colour = client.execute(&script, vec![]).await.unwrap();
        let parts = colour.as_str().unwrap().split(|c: char| !c.is_ascii_digit());
        let parts: Vec<u8> = parts.filter_map(|part| part.parse().ok()).collect();
        assert_eq!(parts.len(), 3, "{property}: {colour}");
        assert!(
            parts.iter().all(|part| (*part < 0x40) == is_dark && (*part > 0xc0) != is_dark),
            "{property}: {colour}"
        );
    }
    take_screenshot(client, "dark", kind).await;
}

/// Browser windows are never as narrow as a phone, unless a page opens them.
pub(crate) async fn open_as_phone(client: &Client, url: &str) {
    client.goto(url).await.unwrap();
    let before = client.windows().await.unwrap();
    let (width, height) = PHONE;
    let script = "open(location.href, '', `popup,width=${arguments[0]},height=${arguments[1]}`); return null";
    client.execute(script, vec![json!(width), json!(height)]).await.unwrap();
    let opened = async {
        loop {
            let mut windows = client.windows().await.unwrap().into_iter();
            if let Some(window) = windows.find(|window| !before.contains(window)) {
                return window;
            }
        }
    };
    client.switch_to_window(soon(opened).await).await.unwrap();
    element(client, "#connect-initiator").await;
    // It was made no larger than the screen is.
    let frame = "return [outerWidth - innerWidth, outerHeight - innerHeight]";
    let frame = client.execute(frame, vec![]).await.unwrap();
    let sum = |inner: u64, frame: &Value| u32::try_from(inner + frame.as_u64().unwrap()).unwrap();
    client.set_window_size(sum(width, &frame[0]), sum(height, &frame[1])).await.unwrap();
    let phone = json!([width, height, false]);
    let resized = async {
        let size = "return [innerWidth, innerHeight, isSecureContext]";
        while client.execute(size, vec![]).await.unwrap() != phone {}
    };
    soon(resized).await;
}

/// Nothing has to be scrolled sideways.
pub(crate) async fn fits(client: &Client) {
    let widths = client.execute("return [document.documentElement.scrollWidth, innerWidth]", vec![]).await.unwrap();
    let (content, window) = (widths[0].as_u64().unwrap(), widths[1].as_u64().unwrap());
    assert!(content <= window && window == PHONE.0, "{content} pixels wide in {window}");
    // Nor is a word on a button broken, which makes it as high as two lines.
    let script = "return [...document.querySelectorAll('button')].filter((it) => it.offsetHeight >= 3 * 16)
        .map((it) => it.textContent)";
    assert_eq!(client.execute(script, vec![]).await.unwrap(), json!([]), "these buttons are too narrow");
}

/// The page's own SHA-256 around the sizes of its blocks, whatever the pieces.
async fn hash_in_pieces(client: &Client) {
    let script = "const done = arguments[0];
        import('/sha256.js').then(({ Sha256 }) => {
            const hashes = [];
            for (let length = 0; length <= 200; length += 1) {
                const bytes = Uint8Array.from({ length }, (_, place) => place * 31 + length);
                const cut = (length * 7) % (length + 1);
                const hash = new Sha256().update(bytes.subarray(0, cut)).update(bytes.slice(cut).buffer);
                hashes.push(hash.digest());
            }
            done(hashes);
        }).catch((error) => done(String(error)));";
    let hashes = client.execute_async(script, vec![]).await.unwrap();
    let expected = (0..=200_usize).map(|length| {
        let bytes: Vec<u8> = (0..length).map(|place| (place * 31 + length) as u8).collect();
        sha256(&bytes)
    });
    assert_eq!(hashes, json!(expected.collect::<Vec<_>>()));
}

/// A file that cannot be read says so in its row, and the program is not left waiting for it.
async fn fail_to_read(client: &Client, program: &mut Program) {
    let script = "const read = Blob.prototype.arrayBuffer;
        Blob.prototype.arrayBuffer = () => Promise.reject(new Error('it cannot be read'));
        window.readAgain = () => (Blob.prototype.arrayBuffer = read);
        const transfer = new DataTransfer();
        transfer.items.add(new File(['text'], 'unreadable.txt'));
        document.getElementById('drop').dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true }));";
    client.execute(script, vec![]).await.unwrap();
    failed(client, "sent", "it cannot be read").await;
    program.line_with("was not received").await;
    client.execute("window.readAgain()", vec![]).await.unwrap();
}

/// Neither is a row left waiting when the connection ends.
async fn end_while_fetching(client: &Client) {
    element(client, "#offered button").await;
    let script = "document.querySelector('#offered button').click(); document.getElementById('disconnect').click();";
    client.execute(script, vec![]).await.unwrap();
    failed(client, "received", "the connection ended").await;
}

async fn failed(client: &Client, direction: &str, problem: &str) {
    let row = format!(
        "//ul[@id='transfers']/li[@data-direction='{direction}'][@data-done='true'][@data-matches='false'][contains(., '{problem}')]"
    );
    let wait = client.wait().at_most(Duration::from_secs(60));
    wait.for_element(Locator::XPath(&row)).await.unwrap();
}

/// Cargo builds the program for tests of its own package only, so this asks for it, unless one is given.
pub(crate) fn build() {
    if std::env::var_os("VISAVIS_PROGRAM").is_none() {
        let cargo = std::process::Command::new(env!("CARGO"))
            .args(["build", "--offline", "--package=visavis-cli", "--bin=visavis"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(cargo.unwrap().success(), "the program does not build");
    }
}

#[test]
fn the_page_is_clicked_through_in_chromium() {
    build();
    let name = concat!(module_path!(), "::the_page_is_clicked_through_in_chromium");
    isolation::isolated(name, crate::DEADLINE, || run(Kind::Chromium));
}

#[test]
fn the_page_is_clicked_through_in_firefox() {
    build();
    let name = concat!(module_path!(), "::the_page_is_clicked_through_in_firefox");
    isolation::isolated(name, crate::DEADLINE, || run(Kind::Firefox));
}

#[test]
fn a_phone_in_the_network_can_use_the_page_in_chromium() {
    build();
    let name = concat!(module_path!(), "::a_phone_in_the_network_can_use_the_page_in_chromium");
    isolation::isolated(name, crate::DEADLINE, || run_as_phone(Kind::Chromium));
}

#[test]
fn a_phone_in_the_network_can_use_the_page_in_firefox() {
    build();
    let name = concat!(module_path!(), "::a_phone_in_the_network_can_use_the_page_in_firefox");
    isolation::isolated(name, crate::DEADLINE, || run_as_phone(Kind::Firefox));
}
