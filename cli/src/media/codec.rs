//! What a file's codec is called in descriptions, and the other way round.

use visavis::{Codec, MediaKind};

/// The kind of track that carries it.
pub(super) const fn kind(codec: container::Codec) -> MediaKind {
    if codec.is_video() { MediaKind::Video } else { MediaKind::Audio }
}

/// The file's codec of what arrives, if there is a file for it.
pub(super) fn of_track(codec: &Codec) -> Option<container::Codec> {
    container::Codec::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(&codec.name))
}

/// What is offered for a file that begins with this frame, by preference. There is one entry for most codecs; of H.264
/// there are several profiles, and decoders that name only one of them often take the others.
pub(super) fn offered(codec: container::Codec, first: &[u8]) -> Vec<Codec> {
    let is_whole = |one: &Codec| codec != container::Codec::H264 || one.parameter("packetization-mode") == Some("1");
    let mut offered: Vec<Codec> = Codec::all(kind(codec))
        .into_iter()
        .filter(|one| one.name.eq_ignore_ascii_case(codec.name()) && is_whole(one))
        .collect();
    if let Some(profile) = h264_profile(first).filter(|_| codec == container::Codec::H264) {
        offered.sort_by_key(|one| one.parameter("profile-level-id").is_none_or(|id| !id.starts_with(&profile)));
    }
    offered
}

/// `profile_idc` of the sequence parameter set, as the first two digits of `profile-level-id` (RFC 6184, section 8.1).
fn h264_profile(frame: &[u8]) -> Option<String> {
    let units = frame.windows(5).filter(|bytes| bytes.starts_with(&[0, 0, 1]));
    units.filter_map(|bytes| bytes.get(3..5)).find_map(|unit| match unit {
        [header, profile] if header & 0x1f == 7 => Some(format!("{profile:02x}")),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::{of_track, offered};

    #[test]
    fn every_file_is_offered_by_its_own_codec() {
        for codec in container::Codec::ALL {
            let offered = offered(codec, &[]);
            assert!(!offered.is_empty(), "{codec}");
            assert!(offered.iter().all(|one| of_track(one) == Some(codec)), "{codec}: {offered:?}");
        }
    }

    #[test]
    fn the_profile_of_an_h264_file_is_preferred() {
        for (profile, first) in [(0x64, "64001f"), (0x4d, "4d001f"), (0x42, "42e01f"), (0x7a, "42e01f")] {
            let frame = [0, 0, 0, 1, 0x09, 0xf0, 0, 0, 0, 1, 0x67, profile, 0, 0x1f, 0, 0, 1, 0x65, 0x88];
            let offered = offered(container::Codec::H264, &frame);
            assert_eq!(offered[0].parameter("profile-level-id"), Some(first));
            assert!(offered.len() > 1, "others may take it too: {offered:?}");
        }
    }
}
