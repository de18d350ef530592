//! What is sent changes while a connection is up, on either side or on both at once (perfect negotiation; W3C WebRTC
//! 1.0, section 10.7).

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};
use visavis::{
    Codec, Config, ConnectionEvent, DataChannel, Direction, Events, Frame, LocalTrack, MediaKind, OfferOptions,
    PeerConnection, SdpType, SessionDescription, SignalingState, TransceiverOptions,
};
use visavis_tests::{
    browser::{Kind, Settings},
    page::Page,
};

use crate::{
    calls::picture,
    duo::{Duo, Offerer, receive, send, soon},
    in_both_browsers,
};

/// What one side does with its video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Sends it, over a transceiver that is free or a new one.
    Add,
    /// Sends it over a transceiver that is for nothing else.
    AddApart,
    Remove,
    /// Ceases to send, and goes on to receive.
    Pause,
    /// Neither sends nor receives.
    Hold,
    Resume,
    /// Gives the sender nothing to send, which needs no negotiation.
    Mute,
    Unmute,
}
use Change::{Add, AddApart, Hold, Mute, Pause, Remove, Resume, Unmute};

impl Change {
    const fn needs_negotiation(self) -> bool {
        !matches!(self, Mute | Unmute)
    }
}

/// What Rust does when both sides have made an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manners {
    /// Takes its own back; then the page does not.
    Polite,
    /// Does not hear the other one; then the page takes its own back.
    Impolite,
}
use Manners::{Impolite, Polite};

/// What Rust and the page change, and which of both is seen in the end.
struct Round {
    rust: Option<Change>,
    page: Option<Change>,
    manners: Manners,
    /// Whether the page sees Rust's video.
    is_rust_seen: bool,
    /// Whether Rust gets the page's.
    is_page_seen: bool,
}

const fn round(
    rust: Option<Change>,
    page: Option<Change>,
    manners: Manners,
    (is_rust_seen, is_page_seen): (bool, bool),
) -> Round {
    Round { rust, page, manners, is_rust_seen, is_page_seen }
}

/// Where both sides change something that needs negotiation, their offers meet.
const ROUNDS: [Round; 13] = [
    round(Some(Add), Some(Add), Polite, (true, true)),
    round(Some(Pause), None, Polite, (false, true)),
    round(None, Some(Pause), Polite, (false, false)),
    round(Some(Resume), Some(Resume), Impolite, (true, true)),
    // Both use the same section: on hold, neither is seen.
    round(Some(Hold), None, Impolite, (false, false)),
    round(Some(Resume), Some(Mute), Polite, (true, false)),
    round(Some(Pause), Some(Unmute), Impolite, (false, true)),
    round(Some(Resume), Some(Remove), Polite, (true, false)),
    round(Some(Remove), None, Polite, (false, false)),
    round(Some(AddApart), Some(Add), Impolite, (true, true)),
    // Now each has a section of its own.
    round(None, Some(Hold), Polite, (true, false)),
    round(Some(Remove), Some(Resume), Polite, (false, true)),
    round(Some(Add), None, Impolite, (true, true)),
];

/// The state of the page's side.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Negotiated {
    signaling_state: String,
    local: String,
    remote: String,
    transceivers: Vec<Theirs>,
}

/// A transceiver of the page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Theirs {
    mid: Option<String>,
    direction: String,
    current_direction: Option<String>,
}

fn direction(name: &str) -> Direction {
    match name {
        "sendrecv" => Direction::SendRecv,
        "sendonly" => Direction::SendOnly,
        "recvonly" => Direction::RecvOnly,
        "inactive" => Direction::Inactive,
        _ => panic!("{name} is no direction"),
    }
}

/// Both sides, and what they send.
struct Call {
    page: Page,
    peer: PeerConnection,
    channel: DataChannel,
    events: Events<ConnectionEvent>,
    /// What Rust sends now, which a task plays.
    sent: watch::Sender<Option<LocalTrack>>,
    track: Option<LocalTrack>,
    /// How many frames of the page arrived.
    arrived: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
    /// The mids of all sections, in order.
    places: Vec<String>,
    /// The mids of the page's transceivers, in order.
    transceivers: Vec<String>,
    /// How many offers met.
    collisions: usize,
}

impl Call {
    async fn new(kind: Kind) -> Self {
        let Duo { page, peer, first: channel } =
            Duo::connect(&Settings::new(kind).with_devices(), Offerer::Rust, Config::default()).await;
        let _: bool = page.call("negotiatePerfectly", json!([])).await.unwrap();
        let (sent, sending) = watch::channel(None);
        let arrived = Arc::new(AtomicU64::new(0));
        let tasks = vec![tokio::spawn(play(sending)), tokio::spawn(count(peer.clone(), arrived.clone()))];
        Self {
            events: peer.events(),
            page,
            peer,
            channel,
            sent,
            track: None,
            arrived,
            tasks,
            places: Vec::new(),
            transceivers: Vec::new(),
            collisions: 0,
        }
    }

    /// What was told before is no answer to what is changed now.
    fn forget_events(&mut self) {
        while self.events.next().now_or_never().is_some() {}
    }

    /// Rust changes what it sends.
    async fn change(&mut self, change: Change) {
        let id = self.track.as_ref().map(LocalTrack::transceiver);
        match change {
            Add => self.track = Some(self.peer.add_track(MediaKind::Video, "ours", &["stream"]).await.unwrap()),
            AddApart => {
                let options = TransceiverOptions {
                    direction: Direction::SendOnly,
                    track: Some("apart".into()),
                    codecs: vec![Codec::vp8()],
                    ..TransceiverOptions::default()
                };
                self.track = Some(self.peer.add_transceiver(MediaKind::Video, options).await.unwrap());
            }
            Remove => {
                let track = self.track.take().unwrap();
                self.peer.remove_track(&track).await.unwrap();
            }
            Pause => self.peer.set_direction(id.unwrap(), Direction::RecvOnly).await.unwrap(),
            Hold => self.peer.set_direction(id.unwrap(), Direction::Inactive).await.unwrap(),
            Resume => self.peer.set_direction(id.unwrap(), Direction::SendRecv).await.unwrap(),
            Mute | Unmute => panic!("Rust sends what it is given"),
        }
        self.sent.send_replace(self.track.clone());
    }

    /// The page changes what it sends.
    async fn change_page(&self, change: Change) {
        let name = format!("{change:?}").to_lowercase();
        let _: bool = self.page.call("camera", json!([name])).await.unwrap();
    }

    /// Rust's offer, once it hears that one is needed.
    async fn our_offer(&mut self) -> SessionDescription {
        let needed =
            async { while !matches!(self.events.next().await.unwrap(), ConnectionEvent::NegotiationNeeded) {} };
        soon(needed).await;
        self.make_offer().await
    }

    async fn make_offer(&self) -> SessionDescription {
        let offer = self.peer.create_offer(OfferOptions::default()).await.unwrap();
        self.peer.set_local_description(offer).await.unwrap();
        self.peer.gathered().await.unwrap()
    }

    /// Rust hears what the page says; its answer, if it has one.
    async fn hear(&mut self, description: SessionDescription, manners: Manners) -> Option<SessionDescription> {
        let is_offer = description.kind == SdpType::Offer;
        if is_offer && self.peer.signaling_state() != SignalingState::Stable {
            self.collisions += 1;
            if manners == Impolite {
                return None;
            }
        }
        self.peer.set_remote_description(description).await.unwrap();
        if !is_offer {
            return None;
        }
        let answer = self.peer.create_answer().await.unwrap();
        self.peer.set_local_description(answer).await.unwrap();
        Some(self.peer.gathered().await.unwrap())
    }

    /// Brings an offer of Rust to the page, and the answer back.
    async fn bring_ours(&mut self, offer: SessionDescription, manners: Manners) {
        let is_page_polite = manners == Impolite;
        let answer: Option<SessionDescription> = self.page.call("hear", json!([offer, is_page_polite])).await.unwrap();
        if let Some(answer) = answer {
            assert!(self.hear(answer, manners).await.is_none());
        }
    }

    /// Brings an offer of the page to Rust, and the answer back.
    async fn bring_theirs(&mut self, offer: SessionDescription, manners: Manners) {
        if let Some(answer) = self.hear(offer, manners).await {
            let nothing: Value = self.page.call("hear", json!([answer, false])).await.unwrap();
            assert_eq!(nothing, Value::Null);
        }
    }

    /// Both sides say what they want, at once where both want something, and until they agree.
    async fn negotiate(&mut self, round: &Round) {
        let wants = |change: Option<Change>| change.is_some_and(Change::needs_negotiation);
        let collisions = self.collisions;
        // Each makes its offer before it hears of the other's.
        let ours = if wants(round.rust) { Some(self.our_offer().await) } else { None };
        let theirs = if wants(round.page) {
            Some(soon(self.page.call::<SessionDescription>("nextOffer", json!([]))).await.unwrap())
        } else {
            None
        };
        let is_glare = ours.is_some() && theirs.is_some();
        self.check_channel("between offer and answer").await;
        // The order is such that whoever hears an offer has one of its own out.
        if round.manners == Polite {
            if let Some(ours) = ours {
                self.bring_ours(ours, round.manners).await;
            }
            if let Some(theirs) = theirs {
                self.bring_theirs(theirs, round.manners).await;
            }
        } else {
            if let Some(theirs) = theirs {
                self.bring_theirs(theirs, round.manners).await;
            }
            if let Some(ours) = ours {
                self.bring_ours(ours, round.manners).await;
            }
        }
        assert_eq!(self.collisions > collisions, is_glare);
        soon(self.agree(round.manners)).await;
    }

    /// Who had to give way says again what it wants, where the other one's offer did not bring it about already.
    async fn agree(&mut self, manners: Manners) {
        while !self.is_agreed().await {
            let event = self.events.next().now_or_never();
            if let Some(event) = event {
                let is_needed = matches!(event.unwrap(), ConnectionEvent::NegotiationNeeded);
                if is_needed && self.peer.signaling_state() == SignalingState::Stable {
                    let offer = self.make_offer().await;
                    self.bring_ours(offer, manners).await;
                }
                continue;
            }
            let offer: Option<SessionDescription> = self.page.call("takeOffer", json!([])).await.unwrap();
            match offer {
                Some(offer) => self.bring_theirs(offer, manners).await,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    async fn negotiated(&self) -> Negotiated {
        self.page.call("negotiated", json!([])).await.unwrap()
    }

    /// Whether nothing is open any more: what each transceiver does is what both sides want of it.
    async fn is_agreed(&self) -> bool {
        let page = self.negotiated().await;
        if page.signaling_state != "stable" || self.peer.signaling_state() != SignalingState::Stable {
            return false;
        }
        let ours = self.peer.transceivers().await.unwrap();
        let of = |mid: &Option<String>| page.transceivers.iter().find(|theirs| mid.is_some() && theirs.mid == *mid);
        page.transceivers.len() == ours.len()
            && ours.iter().all(|ours| {
                let Some(theirs) = of(&ours.mid) else { return false };
                let wanted = direction(&theirs.direction);
                let agreed = Direction::new(
                    ours.direction.sends() && wanted.receives(),
                    ours.direction.receives() && wanted.sends(),
                );
                let now = theirs.current_direction.as_deref().map(direction);
                ours.current_direction == Some(agreed) && now == Some(agreed.reversed())
            })
    }

    /// Sections keep their index and their mid, in all four descriptions, and transceivers theirs.
    async fn check_places(&mut self) {
        let page = self.negotiated().await;
        let local = self.peer.local_description().await.unwrap();
        let remote = self.peer.remote_description().await.unwrap();
        let places = mids(&local.sdp);
        for sdp in [&remote.sdp, &page.local, &page.remote] {
            assert_eq!(mids(sdp), places);
            assert_eq!(sdp.lines().filter(|line| line.starts_with("m=")).count(), places.len());
        }
        assert!(places.starts_with(&self.places), "sections were {:?} and are {places:?}", self.places);
        let of_page: Vec<String> = page.transceivers.iter().map(|one| one.mid.clone().unwrap()).collect();
        let before = &self.transceivers;
        assert!(of_page.starts_with(before), "transceivers of the page were {before:?} and are {of_page:?}");
        // The first section is the channel's.
        let sorted = |mut mids: Vec<String>| {
            mids.sort();
            mids
        };
        let of_rust = self.peer.transceivers().await.unwrap().into_iter().map(|one| one.mid.unwrap()).collect();
        assert_eq!(sorted(of_page.clone()), sorted(places[1..].to_vec()));
        assert_eq!(sorted(of_rust), sorted(places[1..].to_vec()));
        (self.places, self.transceivers) = (places, of_page);
    }

    /// A message goes each way.
    async fn check_channel(&self, text: &str) {
        self.channel.send(text).await.unwrap();
        assert_eq!(soon(receive(&self.page, self.channel.label())).await, json!({ "text": text }));
        send(&self.page, self.channel.label(), &[json!({ "text": text })]).await;
        assert_eq!(soon(self.channel.recv()).await.unwrap().as_text(), Some(text));
    }

    /// How many frames the page has decoded, for each stream that it has statistics of.
    async fn decoded(&self) -> HashMap<String, u64> {
        let stats: Vec<Value> = self.page.call("mediaStats", json!(["inbound-rtp", "video"])).await.unwrap();
        let of = |one: &Value| Some((one["id"].as_str()?.to_owned(), one["framesDecoded"].as_u64().unwrap_or(0)));
        stats.iter().filter_map(of).collect()
    }

    /// What should flow flows, and nothing else does.
    async fn check_media(&self, round: &Round) {
        let (mut seen, mut last) = (0, self.decoded().await);
        let first = self.arrived.load(Ordering::Relaxed);
        let flows = async {
            while (round.is_rust_seen && seen < FLOWING) || (round.is_page_seen && self.since(first) < FLOWING) {
                seen += risen(&mut last, self.decoded().await);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        soon(flows).await;
        if round.is_rust_seen && round.is_page_seen {
            return;
        }
        // What was on its way comes to its end.
        tokio::time::sleep(Duration::from_millis(600)).await;
        let (mut last, first) = (self.decoded().await, self.arrived.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        let seen = risen(&mut last, self.decoded().await);
        let arrived = self.since(first);
        // Of a sender without a track, Firefox repeats the last picture each second.
        let is_repeated = self.page.browser.kind() == Kind::Firefox && round.page == Some(Mute);
        assert_eq!(seen > 0, round.is_rust_seen, "the page decoded {seen} frames");
        assert_eq!(
            arrived > if is_repeated { 2 } else { 0 },
            round.is_page_seen,
            "{arrived} frames of the page arrived"
        );
    }

    fn since(&self, first: u64) -> u64 {
        self.arrived.load(Ordering::Relaxed) - first
    }
}

/// So many frames are no remnant.
const FLOWING: u64 = 10;

/// By how much the counts have risen, all streams together; `last` becomes what they are now.
fn risen(last: &mut HashMap<String, u64>, now: HashMap<String, u64>) -> u64 {
    let risen = now.iter().map(|(id, count)| count.saturating_sub(last.get(id).copied().unwrap_or(0))).sum();
    *last = now;
    risen
}

/// The names of a description's sections, in order.
fn mids(sdp: &str) -> Vec<String> {
    sdp.lines().filter_map(|line| line.strip_prefix("a=mid:")).map(str::to_owned).collect()
}

/// Plays a moving picture over the track there is, if any.
async fn play(mut sending: watch::Receiver<Option<LocalTrack>>) {
    let mut reader = container::Reader::open(picture("sent.ivf", &["-c:v", "libvpx", "-g", "10"])).unwrap();
    let mut clock = tokio::time::interval(Duration::from_millis(50));
    for number in 0_u32.. {
        clock.tick().await;
        let frame = match reader.next_frame().unwrap() {
            Some(frame) => frame,
            None => {
                reader.rewind().unwrap();
                reader.next_frame().unwrap().unwrap()
            }
        };
        let track = sending.borrow_and_update().clone();
        if let Some(track) = track {
            let (timestamp, is_key_frame) = (Duration::from_millis(50) * number, frame.is_key_frame);
            // While it is paused there is nobody to send to.
            let _ =
                track.send_frame(Frame { data: frame.data.into(), timestamp, is_key_frame, ..Frame::default() }).await;
        }
    }
}

/// Counts frames of all tracks of the page. Each track begins with one that can be decoded.
async fn count(peer: PeerConnection, arrived: Arc<AtomicU64>) {
    while let Ok(track) = peer.accept_track().await {
        let arrived = arrived.clone();
        tokio::spawn(async move {
            let mut is_first = true;
            while let Some(frame) = track.recv_frame().await {
                // One that is not shows as a side that is not seen.
                if std::mem::take(&mut is_first) && !frame.is_key_frame {
                    eprintln!("a track begins with a frame that needs others");
                    return;
                }
                arrived.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

in_both_browsers! {
    async fn media_comes_and_goes_for_thirteen_rounds_beside_a_channel(kind: Kind) {
        let mut call = Call::new(kind).await;
        for (number, round) in ROUNDS.iter().enumerate() {
            println!("round {number}: Rust {:?}, page {:?}, Rust is {:?}", round.rust, round.page, round.manners);
            call.forget_events();
            if let Some(change) = round.rust {
                call.change(change).await;
            }
            if let Some(change) = round.page {
                call.change_page(change).await;
            }
            call.negotiate(round).await;
            call.check_places().await;
            call.check_media(round).await;
            call.check_channel(&format!("after round {number}")).await;
        }
        call.tasks.iter().for_each(JoinHandle::abort);
    }
}
