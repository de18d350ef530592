/// The header extensions that are understood; what is in one, [`Values`](super::Values) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extension {
    /// How much later than its timestamp says a packet was sent (RFC 5450).
    TransmissionOffset,
    /// When a packet was sent (abs-send-time).
    AbsSendTime,
    /// Counts packets of all streams of a transport (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 2).
    TransportSequence,
    /// The same, where feedback is asked for by the sender (transport-wide-cc-02).
    TransportSequence02,
    /// The media section that a stream belongs to (RFC 9143, section 15).
    Mid,
    /// The stream within its media section (RFC 8852, section 3.1).
    RtpStreamId,
    /// The stream that this one repairs (RFC 8852, section 3.2).
    RepairedRtpStreamId,
    /// How loud the payload is (RFC 6464).
    AudioLevel,
    /// How loud each mixed source is (RFC 6465).
    CsrcAudioLevels,
    /// How the camera was held (3GPP TS 26.114, section 7.4.5).
    VideoOrientation,
    /// Bounds of the time from capture to display (playout-delay).
    PlayoutDelay,
    /// What sort of picture it is (video-content-type).
    VideoContentType,
    /// Where a frame spent its time (video-timing).
    VideoTiming,
    /// Which colours the samples mean (color-space).
    ColorSpace,
    /// When the payload was captured (abs-capture-time).
    AbsCaptureTime,
    /// Which frames a frame depends on ("RTP Payload Format For AV1", appendix A).
    DependencyDescriptor,
    /// Which layers are sent at what rate (video-layers-allocation).
    VideoLayersAllocation,
}

impl Extension {
    /// Each of them, in the order in which they are declared.
    pub const ALL: [Self; 17] = [
        Self::TransmissionOffset,
        Self::AbsSendTime,
        Self::TransportSequence,
        Self::TransportSequence02,
        Self::Mid,
        Self::RtpStreamId,
        Self::RepairedRtpStreamId,
        Self::AudioLevel,
        Self::CsrcAudioLevels,
        Self::VideoOrientation,
        Self::PlayoutDelay,
        Self::VideoContentType,
        Self::VideoTiming,
        Self::ColorSpace,
        Self::AbsCaptureTime,
        Self::DependencyDescriptor,
        Self::VideoLayersAllocation,
    ];

    /// What names it in a session description (`a=extmap`, RFC 8285, section 5).
    pub const fn uri(self) -> &'static str {
        match self {
            Self::TransmissionOffset => "urn:ietf:params:rtp-hdrext:toffset",
            Self::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Self::TransportSequence => "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
            Self::TransportSequence02 => "http://www.webrtc.org/experiments/rtp-hdrext/transport-wide-cc-02",
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::RtpStreamId => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::RepairedRtpStreamId => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::CsrcAudioLevels => "urn:ietf:params:rtp-hdrext:csrc-audio-level",
            Self::VideoOrientation => "urn:3gpp:video-orientation",
            Self::PlayoutDelay => "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
            Self::VideoContentType => "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
            Self::VideoTiming => "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
            Self::ColorSpace => "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
            Self::AbsCaptureTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
            Self::DependencyDescriptor => {
                "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
            }
            Self::VideoLayersAllocation => "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
        }
    }

    /// The extension of this name; `None` where it is not understood.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|extension| extension.uri() == uri)
    }
}

/// Which id each extension goes by: what a session has negotiated. Both ways are one look at a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionMap {
    by_id: [Option<Extension>; 256],
    /// In the order of [`Extension::ALL`]; 0 where there is no id.
    by_extension: [u8; Extension::ALL.len()],
}

impl Default for ExtensionMap {
    fn default() -> Self {
        Self::new()
    }
}

impl ExtensionMap {
    /// A map without any extension.
    pub const fn new() -> Self {
        Self { by_id: [None; 256], by_extension: [0; Extension::ALL.len()] }
    }

    /// Lets `extension` go by `id`, from 1 to 255. What went by that id goes by none from now on, and so for the id
    /// that the extension had; id 0 takes it out of the map.
    pub fn insert(&mut self, id: u8, extension: Extension) {
        self.remove(extension);
        if id == 0 {
            return;
        }
        if let Some(former) = self.get(id) {
            self.remove(former);
        }
        self.set(id, extension, Some(extension));
    }

    /// Takes the extension out of the map.
    pub fn remove(&mut self, extension: Extension) {
        if let Some(id) = self.id(extension) {
            self.set(id, extension, None);
        }
    }

    fn set(&mut self, id: u8, extension: Extension, named: Option<Extension>) {
        if let Some(place) = self.by_id.get_mut(usize::from(id)) {
            *place = named;
        }
        if let Some(place) = self.by_extension.get_mut(extension as usize) {
            *place = if named.is_some() { id } else { 0 };
        }
    }

    /// The extension that goes by this id.
    pub fn get(&self, id: u8) -> Option<Extension> {
        self.by_id.get(usize::from(id)).copied().flatten()
    }

    /// The id that this extension goes by.
    pub fn id(&self, extension: Extension) -> Option<u8> {
        self.by_extension.get(extension as usize).copied().filter(|id| *id != 0)
    }

    /// Each id in use and its extension, in the order of [`Extension::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (u8, Extension)> {
        Extension::ALL.into_iter().filter_map(|extension| Some((self.id(extension)?, extension)))
    }
}

impl FromIterator<(u8, Extension)> for ExtensionMap {
    fn from_iter<I: IntoIterator<Item = (u8, Extension)>>(pairs: I) -> Self {
        let mut map = Self::new();
        pairs.into_iter().for_each(|(id, extension)| map.insert(id, extension));
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_extension_is_known_by_its_name() {
        for (at, extension) in Extension::ALL.into_iter().enumerate() {
            assert_eq!(extension as usize, at, "the table goes by the order of declaration");
            assert_eq!(Extension::from_uri(extension.uri()), Some(extension));
        }
        assert_eq!(Extension::from_uri("urn:ietf:params:rtp-hdrext:encrypt"), None);
    }

    #[test]
    fn an_id_and_an_extension_have_one_another_only() {
        let mut map: ExtensionMap = [(1, Extension::Mid), (255, Extension::AudioLevel)].into_iter().collect();
        map.insert(1, Extension::AudioLevel);
        assert_eq!(map.iter().collect::<Vec<_>>(), [(1, Extension::AudioLevel)]);
        assert_eq!((map.get(255), map.id(Extension::Mid)), (None, None));
        map.insert(0, Extension::AudioLevel);
        assert_eq!(map, ExtensionMap::new());
    }

    proptest! {
        #[test]
        fn both_ways_agree_after_any_changes(changes: Vec<(u8, u8)>) {
            let mut map = ExtensionMap::new();
            for (id, which) in changes {
                map.insert(id, Extension::ALL[usize::from(which) % Extension::ALL.len()]);
                prop_assert_eq!(map.by_id.iter().flatten().count(), map.iter().count());
                prop_assert!(map.iter().all(|(id, extension)| id != 0 && map.get(id) == Some(extension)));
            }
        }
    }
}
