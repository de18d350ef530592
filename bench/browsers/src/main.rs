//! Bulk transfers between pages of a browser, and between a page and visavis.
//!
//! `browsers KIND ROUNDS SECONDS` starts itself again in a network namespace, since browsers ask for each other's names
//! by multicast, and prints what it measured in JSON.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;
use serde_json::{Value, json};
use visavis::{ChannelOptions, Config, DataChannel, OfferOptions, PeerConnection, SessionDescription};
use visavis_tests::browser::{Kind, Settings};
use visavis_tests::{Failure, isolation, page::Page};

const LABEL: &str = "bench";
const MESSAGE: usize = 64 << 10;
const WARM_UP: f64 = 0.5;
const OVERLAP: f64 = 0.5;

/// What a page does here: it sends for a while, or counts what comes.
const SCRIPT: &str = "
    const wait = (target, name) => new Promise((done) => target.addEventListener(name, done, { once: true }));
    peer.flood = async (label, size, seconds) => {
        const { channel } = peer.entry(label), data = new Uint8Array(size);
        const end = performance.now() + seconds * 1e3;
        channel.bufferedAmountLowThreshold = 1 << 20;
        while (performance.now() < end) {
            while (channel.bufferedAmount > 4 << 20) await wait(channel, 'bufferedamountlow');
            channel.send(data);
        }
        return true;
    };
    peer.count = (label) => {
        const { channel } = peer.entry(label);
        peer.counted = 0;
        channel.addEventListener('message', ({ data }) => { peer.counted += data.byteLength; });
        peer.entry(label).messages.push = () => {};
        return true;
    };
    peer.rate = async (warmUp, seconds) => {
        const sleep = (time) => new Promise((done) => setTimeout(done, time * 1e3));
        await sleep(warmUp);
        const before = peer.counted, begun = performance.now();
        await sleep(seconds);
        return (peer.counted - before) / (performance.now() - begun) / 1e3;
    };";

#[derive(Default, Serialize)]
struct Rates {
    pages: Vec<f64>,
    from_page: Vec<f64>,
    to_page: Vec<f64>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, rounds, seconds] = &arguments[..] else { bail!("`browsers KIND ROUNDS SECONDS`") };
    if !isolation::is_isolated() {
        let scratch = std::env::temp_dir().join(format!("visavis-browsers-{}", std::process::id()));
        std::fs::create_dir_all(&scratch)?;
        let status = isolation::command(&std::env::current_exe()?, &scratch).args(&arguments).status();
        remove(&scratch);
        let status = status.context("unshare (util-linux) does not run")?;
        std::process::exit(status.code().unwrap_or(1));
    }
    let kind = match kind.as_str() {
        "chromium" => Kind::Chromium,
        "firefox" => Kind::Firefox,
        _ => bail!("{kind} is no browser known here"),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rates = runtime.block_on(measure(kind, rounds.parse()?, seconds.parse()?)).map_err(|error| anyhow!(error))?;
    println!("{}", serde_json::to_string(&rates)?);
    Ok(())
}

/// A browser that is just being killed may still write.
fn remove(folder: &Path) {
    for _ in 0..10 {
        if std::fs::remove_dir_all(folder).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

async fn measure(kind: Kind, rounds: usize, seconds: f64) -> Result<Rates, Failure> {
    let (one, two) = (Page::open(&Settings::new(kind)).await?, Page::open(&Settings::new(kind)).await?);
    for page in [&one, &two] {
        page.browser.client().execute(SCRIPT, Vec::new()).await?;
    }
    let mut rates = Rates::default();
    for _ in 0..rounds {
        rates.pages.push(between_pages(&one, &two, seconds).await?);
        rates.from_page.push(from_page(&one, seconds).await?);
        rates.to_page.push(to_page(&one, seconds).await?);
    }
    Ok(rates)
}

async fn between_pages(one: &Page, two: &Page, seconds: f64) -> Result<f64, Failure> {
    renew(one).await?;
    renew(two).await?;
    let _: bool = one.call("open", json!([LABEL])).await?;
    let offer: Value = one.call("offer", json!([false])).await?;
    let answer: Value = two.call("answer", json!([offer, false])).await?;
    let _: bool = one.call("accept", json!([answer])).await?;
    let _: Value = one.call("opened", json!([LABEL])).await?;
    let _: String = two.call("nextChannel", json!([])).await?;
    let _: bool = two.call("count", json!([LABEL])).await?;
    let sent = one.start("flood", json!([LABEL, MESSAGE, WARM_UP + seconds + OVERLAP])).await?;
    let rate = two.call("rate", json!([WARM_UP, seconds])).await?;
    let _: bool = one.join(sent).await?;
    Ok(rate)
}

/// A page offers, and visavis answers; or the other way round.
async fn connect(page: &Page, is_offering: bool) -> Result<(PeerConnection, DataChannel), Failure> {
    renew(page).await?;
    let peer = PeerConnection::new(Config::default())?;
    if is_offering {
        let channel = peer.create_data_channel(LABEL, ChannelOptions::default())?;
        peer.set_local_description(peer.create_offer(OfferOptions::default()).await?).await?;
        let offer = peer.gathered().await?;
        let answer: SessionDescription = page.call("answer", json!([offer, false])).await?;
        peer.set_remote_description(answer).await?;
        let _: String = page.call("nextChannel", json!([])).await?;
        return Ok((peer, channel));
    }
    let _: bool = page.call("open", json!([LABEL])).await?;
    let offer: SessionDescription = page.call("offer", json!([false])).await?;
    peer.set_remote_description(offer).await?;
    peer.set_local_description(peer.create_answer().await?).await?;
    let answer = peer.gathered().await?;
    let _: bool = page.call("accept", json!([answer])).await?;
    let channel = peer.accept_data_channel().await?;
    let _: Value = page.call("opened", json!([LABEL])).await?;
    Ok((peer, channel))
}

async fn from_page(page: &Page, seconds: f64) -> Result<f64, Failure> {
    let (peer, channel) = connect(page, false).await?;
    let sent = page.start("flood", json!([LABEL, MESSAGE, WARM_UP + seconds + OVERLAP])).await?;
    receive_for(&channel, WARM_UP).await;
    let begun = Instant::now();
    let bytes = receive_for(&channel, seconds).await;
    let rate = bytes as f64 / begun.elapsed().as_secs_f64() / 1e6;
    // The page ends only if it is heard.
    let draining = tokio::spawn(async move { while channel.recv().await.is_some() {} });
    let _: bool = page.join(sent).await?;
    peer.close().await?;
    draining.abort();
    Ok(rate)
}

async fn receive_for(channel: &DataChannel, seconds: f64) -> u64 {
    let end = tokio::time::Instant::now() + Duration::from_secs_f64(seconds);
    let mut bytes = 0;
    while tokio::time::Instant::now() < end {
        match tokio::time::timeout_at(end, channel.recv()).await {
            Ok(Some(message)) => bytes += message.as_bytes().len() as u64,
            Ok(None) | Err(_) => break,
        }
    }
    bytes
}

async fn to_page(page: &Page, seconds: f64) -> Result<f64, Failure> {
    let (peer, channel) = connect(page, true).await?;
    channel.opened().await?;
    let _: bool = page.call("count", json!([LABEL])).await?;
    let sending = tokio::spawn(async move {
        let data = bytes::Bytes::from(vec![7; MESSAGE]);
        while channel.send(data.clone()).await.is_ok() {}
    });
    let rate = page.call("rate", json!([WARM_UP, seconds])).await?;
    sending.abort();
    let _ = tokio::time::timeout(Duration::from_secs(2), peer.close()).await;
    Ok(rate)
}

async fn renew(page: &Page) -> Result<(), Failure> {
    let _: bool = page.call("renew", json!([])).await?;
    Ok(())
}
