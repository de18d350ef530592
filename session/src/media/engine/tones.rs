//! Tones that are sent, one after another, and those that are heard (RFC 4733; W3C WebRTC 1.0, section 7.2).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtp::Header;
use rtp::payload::telephone_event::{self, Report, Reports, Tone, event_of_key};
use rtp::send::OutgoingPacket;

use super::super::TransceiverId;
use super::super::dtmf::{DURATIONS, GAPS, PAUSE, ToneError, ToneEvent};
use super::outbound::Outbound;
use super::{Engine, MAX_TOLD, Section, Told};

/// How loud tones are: what browsers send, in dBm0 without its sign.
const VOLUME: u8 = 10;
/// How many tones of the peer wait to be told of one section; packets come one at a time, and each has few.
const MAX_HEARD: usize = 64;

/// What a section is sending, beside its sound.
#[derive(Default)]
pub(super) struct Tones {
    /// `toneBuffer`
    waiting: VecDeque<char>,
    duration: Duration,
    gap: Duration,
    /// When the next one is due.
    next: Option<Instant>,
    /// The one that sounds.
    playing: Option<Playing>,
}

struct Playing {
    began: Instant,
    /// The packet about it that is due next.
    report: Report,
    rest: Reports,
}

impl Playing {
    fn due(&self) -> Instant {
        self.began + self.report.at
    }
}

impl Tones {
    /// When the next packet or the next tone is due.
    fn poll_timeout(&self) -> Option<Instant> {
        [self.next, self.playing.as_ref().map(Playing::due)].into_iter().flatten().min()
    }

    fn begin(&mut self, now: Instant, tone: Tone) {
        let mut rest = tone.reports();
        self.playing = rest.next().map(|report| Playing { began: now, report, rest });
    }

    /// Sends what is due by then.
    fn send_reports(&mut self, now: Instant, until: Option<Instant>, payload_type: u8, stream: &mut Outbound) {
        while let Some(playing) = &mut self.playing
            && until.is_none_or(|until| playing.due() <= until)
        {
            let Report { marker, timestamp, event, .. } = playing.report;
            match playing.rest.next() {
                Some(next) => playing.report = next,
                None => self.playing = None,
            }
            let mut payload = Vec::with_capacity(size_of::<u32>());
            event.encode(&mut payload);
            let header = Header { marker, payload_type, timestamp, ..Header::default() };
            let packet = OutgoingPacket { header, payload: Bytes::from(payload), ..OutgoingPacket::default() };
            // Where the queue is full there is no sound either.
            let _ = stream.sender.send_packet(now, packet);
        }
    }
}

impl Section {
    /// The payload type of telephone events, and how many ticks of their durations are a second. Those with the clock of
    /// the sound are better; but Firefox has events of 8 kHz beside Opus of 48 kHz.
    fn tone_type(&self) -> Option<(u8, u32)> {
        let clock_rate = self.outbound.first()?.clock_rate;
        let types = self.parameters.send.iter().flat_map(|send| &send.types);
        let events = types.filter(|one| one.codec.is_telephone_event());
        let best = events.min_by_key(|one| one.codec.clock_rate != clock_rate)?;
        Some((best.number, best.codec.clock_rate))
    }

    pub(super) fn tones_timeout(&self) -> Option<Instant> {
        self.tones.as_ref()?.poll_timeout()
    }

    /// Sends what is due, and begins with the next tone.
    pub(super) fn handle_tones(&mut self, now: Instant, began: Instant, told: &mut VecDeque<Told>) {
        let (kind, id) = (self.tone_type(), self.parameters.transceiver);
        let Some(tones) = &mut self.tones else { return };
        let (Some((payload_type, clock_rate)), Some(stream)) = (kind, self.outbound.first_mut()) else {
            // Both sides agreed on something else meanwhile.
            self.tones = None;
            return;
        };
        tones.send_reports(now, Some(now), payload_type, stream);
        if tones.next.is_none_or(|due| due > now) {
            return;
        }
        // The end of the last tone is told before the next one begins.
        tones.send_reports(now, None, payload_type, stream);
        let key = tones.waiting.pop_front();
        tones.next = key.map(|key| now + if key == ',' { PAUSE } else { tones.duration + tones.gap });
        if let Some(event) = key.and_then(event_of_key) {
            let timestamp = stream.timestamp(now, began);
            tones.begin(now, Tone { event, volume: VOLUME, duration: tones.duration, clock_rate, timestamp });
        }
        if told.len() < MAX_TOLD {
            told.push_back(Told::ToneChange(id, key));
        }
        if key.is_none() {
            self.tones = None;
        }
    }

    /// A packet with telephone events came.
    pub(super) fn hear_tones(
        &mut self,
        now: Instant,
        ssrc: u32,
        clock_rate: u32,
        header: &Header,
        payload: &[u8],
    ) -> Option<()> {
        let stream = self.inbound.iter_mut().find(|stream| stream.ssrc == ssrc)?;
        let keys = stream.keys.get_or_insert_with(|| Box::new(telephone_event::Receiver::new(clock_rate)));
        let heard = &mut self.tones_heard;
        keys.handle_payload(now, header.timestamp, payload, |event| keep(heard, event)).ok()
    }

    /// Tones that were begun, and of whose end nothing was heard.
    pub(super) fn end_tones(&mut self, now: Instant) {
        for keys in self.inbound.iter_mut().filter_map(|stream| stream.keys.as_mut()) {
            keys.handle_timeout(now, |event| keep(&mut self.tones_heard, event));
        }
    }

    pub(super) fn tell_tones(&mut self, told: &mut VecDeque<Told>) {
        for event in self.tones_heard.drain(..).take(MAX_TOLD.saturating_sub(told.len())) {
            told.push_back(Told::Tone(self.parameters.transceiver, event));
        }
    }
}

fn keep(heard: &mut VecDeque<ToneEvent>, event: ToneEvent) {
    if heard.len() < MAX_HEARD {
        heard.push_back(event);
    }
}

impl Engine {
    /// `canInsertDTMF`
    pub(crate) fn can_insert_dtmf(&self, id: TransceiverId) -> bool {
        self.has_keys() && self.sections.iter().any(|one| one.parameters.transceiver == id && one.tone_type().is_some())
    }

    pub(crate) fn insert_dtmf(
        &mut self,
        now: Instant,
        id: TransceiverId,
        tones: &str,
        duration: Duration,
        gap: Duration,
    ) -> Result<(), ToneError> {
        if !self.can_insert_dtmf(id) {
            return Err(ToneError::NotReady);
        }
        let is_tone = |key: char| key == ',' || event_of_key(key).is_some();
        if let Some(other) = tones.chars().find(|key| !is_tone(*key)) {
            return Err(ToneError::Character(other));
        }
        let (count, limit) = (tones.len(), self.config.max_tones);
        if count > limit {
            return Err(ToneError::TooMany { count, limit });
        }
        let Some(section) = self.section_mut(id) else { return Err(ToneError::NotReady) };
        if tones.is_empty() && section.tones.is_none() {
            return Ok(());
        }
        let state = section.tones.get_or_insert_default();
        state.waiting = tones.chars().map(|key| key.to_ascii_uppercase()).collect();
        state.duration = duration.clamp(DURATIONS.0, DURATIONS.1);
        state.gap = gap.clamp(GAPS.0, GAPS.1);
        // One that sounds goes on; what is new comes behind it.
        state.next.get_or_insert(now);
        Ok(())
    }

    /// `toneBuffer`
    pub(crate) fn tone_buffer(&self, id: TransceiverId) -> String {
        let section = self.sections.iter().find(|section| section.parameters.transceiver == id);
        section.and_then(|section| section.tones.as_ref()).into_iter().flat_map(|tones| &tones.waiting).collect()
    }
}
