//! The program's own page, clicked through: a chat, files both ways, live numbers, as initiator and as receiver.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use fantoccini::{Client, Locator, elements::Element};
use serde_json::json;
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
struct Program {
    _child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Program {
    async fn start(directory: &Path) -> Self {
        let mut child = Command::new(program())
            .args(["--no-demo", "--listen", "127.0.0.1:0", "--directory"])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut program = Self { _child: child, stdin, lines: BufReader::new(stdout).lines(), url: String::new() };
        let line = program.line_with("http://").await;
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        program.url = url.to_owned();
        program
    }

    /// The next line that it prints with this text inside.
    async fn line_with(&mut self, text: &str) -> String {
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

async fn element(client: &Client, css: &str) -> Element {
    let limit = Duration::from_secs(60);
    let found = client.wait().at_most(limit).for_element(Locator::Css(css)).await;
    found.unwrap_or_else(|error| panic!("{css}: {error}"))
}

/// The page may draw a list anew between finding something in it and clicking on that; then there is a new one.
async fn click(client: &Client, css: &str) {
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

/// For the README, and for whoever wonders why this failed.
async fn take_screenshot(client: &Client, kind: Kind) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("output");
    std::fs::create_dir_all(&folder).unwrap();
    client.execute("scrollTo(0, 0)", vec![]).await.unwrap();
    let png = client.screenshot().await.unwrap();
    assert!(png.starts_with(b"\x89PNG"));
    std::fs::write(folder.join(format!("demo-{kind:?}.png").to_lowercase()), png).unwrap();
}

async fn run(kind: Kind) {
    let directory = isolation::scratch().join("files");
    let mut program = Program::start(&directory).await;
    let browser = Browser::launch(&Settings::new(kind).with_default_privacy()).await.unwrap();
    let client = browser.client();
    client.set_window_size(1100, 1300).await.unwrap();
    client.goto(&program.url).await.unwrap();
    for role in ["initiator", "receiver"] {
        within(Duration::from_secs(200), click_through(client, &mut program, role, &directory)).await;
        if role == "initiator" {
            measure(client).await;
            take_screenshot(client, kind).await;
        }
        click(client, "#disconnect").await;
        element(client, "#state[data-state=closed]").await;
    }
}

/// Cargo builds the program for tests of its own package only, so this asks for it, unless one is given.
fn test(kind: Kind, name: &str) {
    if std::env::var_os("VISAVIS_PROGRAM").is_none() {
        let cargo = std::process::Command::new(env!("CARGO"))
            .args(["build", "--offline", "--package=visavis-cli", "--bin=visavis"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(cargo.unwrap().success(), "the program does not build");
    }
    isolation::isolated(name, crate::DEADLINE, || run(kind));
}

#[test]
fn the_page_is_clicked_through_in_chromium() {
    test(Kind::Chromium, concat!(module_path!(), "::the_page_is_clicked_through_in_chromium"));
}

#[test]
fn the_page_is_clicked_through_in_firefox() {
    test(Kind::Firefox, concat!(module_path!(), "::the_page_is_clicked_through_in_firefox"));
}
