use super::buffer::{Buffer, Content, Slot};

/// A frame of which the packets from the first on are here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Partial {
    timestamp: u32,
    /// Of payload.
    pub(super) bytes: usize,
    pub(super) packets: usize,
    pub(super) is_keyframe: bool,
}

/// What is known of the packet before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// It is missing.
    Unknown,
    /// Its frame is done: another begins.
    Ended,
    /// Its frame has this timestamp, and goes on until there is another.
    Open(u32),
}

impl Before {
    const fn after(slot: &Slot) -> Self {
        if slot.marker { Self::Ended } else { Self::Open(slot.timestamp) }
    }

    /// Whether the packet begins a frame: the format says so, or else the packet before.
    fn is_begin(self, slot: &Slot, starts_frame: Option<bool>) -> bool {
        starts_frame.unwrap_or(match self {
            Self::Unknown => false,
            Self::Ended => true,
            Self::Open(timestamp) => timestamp != slot.timestamp,
        })
    }
}

/// How far assembly came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// The packets before the scan are a frame.
    Frame(Partial),
    /// The packets before the scan belong to no frame that can be whole.
    Leftover,
    /// The packets before the scan are a frame that is malformed, or too long.
    Broken,
    /// A packet is missing.
    Hole,
    /// All that is here has been looked at.
    Wait,
}

/// Finds frames: consecutive packets of equal timestamps, up to the one with the marker or to another timestamp.
///
/// Each packet is looked at once: the scan goes on where it stopped.
#[derive(Clone, Debug)]
pub(super) struct Assembly {
    is_packet_per_frame: bool,
    max_frame: usize,
    /// The next number to look at. All from the first in the buffer up to here are there.
    scan: u64,
    before: Before,
    partial: Option<Partial>,
}

impl Assembly {
    pub(super) const fn new(is_packet_per_frame: bool, max_frame: usize) -> Self {
        Self { is_packet_per_frame, max_frame, scan: 0, before: Before::Unknown, partial: None }
    }

    pub(super) const fn scan(&self) -> u64 {
        self.scan
    }

    /// Whether the frame that is being looked at is a key frame.
    pub(super) fn is_in_keyframe(&self) -> bool {
        self.partial.is_some_and(|partial| partial.is_keyframe)
    }

    /// Begins in the middle of the stream.
    pub(super) const fn restart(&mut self, scan: u64) {
        *self = Self { scan, ..Self::new(self.is_packet_per_frame, self.max_frame) };
    }

    /// Begins where a frame does.
    pub(super) const fn begin(&mut self, scan: u64) {
        self.restart(scan);
        self.before = Before::Ended;
    }

    /// What has been looked at is given up, with the hole that follows if there is one.
    pub(super) fn give_up(&mut self, buffer: &Buffer) {
        self.partial = None;
        if self.scan < buffer.end() {
            self.scan += 1;
            self.before = Before::Unknown;
        }
    }

    /// Goes on until something can be done about the packets before the scan.
    pub(super) fn step(&mut self, buffer: &Buffer) -> Step {
        for (number, slot) in buffer.iter_from(self.scan) {
            let Some(slot) = slot else { return Step::Hole };
            match slot.content {
                Content::Padding => {
                    self.scan = number + 1;
                    if self.partial.is_none() && (self.before == Before::Ended || self.is_packet_per_frame) {
                        return Step::Leftover;
                    }
                }
                Content::Malformed => {
                    if self.partial.is_some_and(|partial| partial.timestamp != slot.timestamp) {
                        return self.end();
                    }
                    self.scan = number + 1;
                    return self.broken(slot);
                }
                Content::Media { starts_frame, is_keyframe } => {
                    if let Some(step) = self.media(number, slot, starts_frame, is_keyframe, buffer.first()) {
                        return step;
                    }
                }
            }
        }
        Step::Wait
    }

    fn media(
        &mut self,
        number: u64,
        slot: &Slot,
        starts_frame: Option<bool>,
        is_keyframe: bool,
        first: u64,
    ) -> Option<Step> {
        if self.partial.is_some_and(|partial| partial.timestamp != slot.timestamp) {
            return Some(self.end());
        }
        if self.partial.is_none() {
            if !self.is_packet_per_frame && !self.before.is_begin(slot, starts_frame) {
                let is_broken = self.before == Before::Ended;
                self.scan = number + 1;
                self.before = Before::after(slot);
                // Where a frame must begin, its first packet says that it is not the first.
                return is_broken.then_some(Step::Broken);
            }
            if first < number {
                self.before = Before::Ended;
                return Some(Step::Leftover);
            }
        }
        self.scan = number + 1;
        let begun = Partial { timestamp: slot.timestamp, bytes: 0, packets: 0, is_keyframe: false };
        let partial = self.partial.get_or_insert(begun);
        partial.bytes += slot.payload.len();
        partial.packets += 1;
        partial.is_keyframe |= is_keyframe;
        self.before = Before::Open(slot.timestamp);
        if partial.bytes > self.max_frame {
            return Some(self.broken(slot));
        }
        (slot.marker || self.is_packet_per_frame).then(|| self.end())
    }

    fn end(&mut self) -> Step {
        self.before = Before::Ended;
        self.partial.take().map_or(Step::Wait, Step::Frame)
    }

    fn broken(&mut self, slot: &Slot) -> Step {
        self.partial = None;
        self.before = Before::after(slot);
        Step::Broken
    }

    /// The first number of a whole key frame, wherever it is.
    pub(super) fn whole_keyframe(&self, buffer: &Buffer) -> Option<u64> {
        let mut before = Before::Unknown;
        // Where it begins, its timestamp, whether it is a key frame.
        let mut frame: Option<(u64, u32, bool)> = None;
        for (number, slot) in buffer.iter_from(buffer.first()) {
            let Some(slot) = slot else {
                (frame, before) = (None, Before::Unknown);
                continue;
            };
            if slot.content == Content::Padding {
                continue;
            }
            if let Some((begin, timestamp, is_keyframe)) = frame
                && timestamp != slot.timestamp
            {
                if is_keyframe {
                    return Some(begin);
                }
                frame = None;
            }
            if let Content::Media { starts_frame, is_keyframe } = slot.content {
                if frame.is_none() && before.is_begin(slot, starts_frame) {
                    frame = Some((number, slot.timestamp, false));
                }
                if let Some((begin, _, is_key)) = &mut frame {
                    *is_key |= is_keyframe;
                    if slot.marker && *is_key {
                        return Some(*begin);
                    }
                }
            } else {
                frame = None;
            }
            frame = frame.filter(|_| !slot.marker);
            before = Before::after(slot);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Timestamp, marker, whether it starts a frame, whether that is a key frame; `None` is a hole.
    type Packet = Option<(u32, bool, Option<bool>, bool)>;

    /// Packets from number 100 on.
    fn buffer(packets: &[Packet]) -> Buffer {
        let mut buffer = Buffer::new(usize::MAX);
        buffer.go_to(100);
        for (number, packet) in (100..).zip(packets) {
            if let Some((timestamp, marker, starts_frame, is_keyframe)) = *packet {
                let content = Content::Media { starts_frame, is_keyframe };
                buffer.put(number, Slot { payload: vec![1], timestamp, marker, content, received: sim::start() });
            }
        }
        buffer
    }

    fn whole_keyframe(packets: &[Packet]) -> Option<u64> {
        Assembly::new(false, 1000).whole_keyframe(&buffer(packets))
    }

    const KEY: Option<bool> = Some(true);
    const MORE: Option<bool> = Some(false);

    #[test]
    fn a_key_frame_is_found_behind_holes_but_not_with_one() {
        let delta = [Some((1, false, KEY, false)), None, Some((2, true, KEY, false))];
        assert_eq!(whole_keyframe(&delta), None);
        let key = [Some((3, false, KEY, true)), Some((3, false, MORE, false)), Some((3, true, MORE, false))];
        assert_eq!(whole_keyframe(&[&delta[..], &key].concat()), Some(103));
        assert_eq!(whole_keyframe(&[&delta[..], &key[..2]].concat()), None, "it goes on");
        assert_eq!(whole_keyframe(&[&delta[..], &key[..1], &[None], &key[2..]].concat()), None);
        assert_eq!(whole_keyframe(&[&key[1..], &delta].concat()), None, "its beginning is lost");
        assert_eq!(whole_keyframe(&[&delta[..], &key[..2], &[Some((4, false, KEY, false))]].concat()), Some(103));
    }

    #[test]
    fn the_marker_parts_frames_of_one_timestamp() {
        let frames = [Some((1, true, KEY, false)), Some((1, true, KEY, true))];
        assert_eq!(whole_keyframe(&frames), Some(101));
    }

    #[test]
    fn where_the_format_does_not_tell_the_packet_before_does() {
        let key = [Some((2, false, None, true)), Some((2, true, None, false))];
        assert_eq!(whole_keyframe(&key), None);
        assert_eq!(whole_keyframe(&[&[None], &key[..]].concat()), None);
        assert_eq!(whole_keyframe(&[&[Some((1, false, None, false))], &key[..]].concat()), Some(101));
        assert_eq!(whole_keyframe(&[&[Some((2, true, None, false))], &key[..]].concat()), Some(101));
        assert_eq!(whole_keyframe(&[&[Some((2, false, None, false))], &key[..]].concat()), None);

        let found = buffer(&[&[Some((1, false, None, false))], &key[..]].concat());
        let mut assembly = Assembly::new(false, 1000);
        assembly.restart(100);
        assert!(matches!(assembly.step(&found), Step::Leftover), "the first packet may go on with a frame");
        assert_eq!(assembly.scan(), 101);
    }
}
