//! Frames of AWS's event stream: `application/vnd.amazon.eventstream`, as Bedrock sends it.
//!
//! A frame is its total length, the length of its headers, a checksum of these eight bytes, the headers, the payload, and
//! a checksum of all of it; numbers are big-endian and checksums the CRC-32 of zlib. (smithy.io, "Amazon Event Stream
//! Specification", read 2026-11.)

use flate2::Crc;

/// Type of a header whose value is text.
const TEXT: u8 = 7;

/// One frame. Names that end in `Exception` make an exception of it. `broken`: the checksum of the whole is wrong.
pub(crate) fn frame(name: &str, payload: &[u8], broken: bool) -> Vec<u8> {
    let (key, kind) = if name.ends_with("Exception") {
        (":exception-type", "exception")
    } else {
        (":event-type", "event")
    };
    let mut headers = Vec::with_capacity(96);
    for (name, value) in [
        (key, name),
        (":content-type", "application/json"),
        (":message-type", kind),
    ] {
        // All of them are short constants, so no length is cut.
        headers.push(name.len() as u8);
        headers.extend_from_slice(name.as_bytes());
        headers.push(TEXT);
        headers.extend_from_slice(&(value.len() as u16).to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let total = 4 + 4 + 4 + headers.len() + payload.len() + 4;
    let mut frame = Vec::with_capacity(total);
    // An answer is bounded far below what four bytes can count.
    frame.extend_from_slice(&(total as u32).to_be_bytes());
    frame.extend_from_slice(&(headers.len() as u32).to_be_bytes());
    frame.extend_from_slice(&checksum(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload);
    let sum = checksum(&frame) ^ u32::from(broken);
    frame.extend_from_slice(&sum.to_be_bytes());
    frame
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_byte_for_byte_what_the_service_sends() {
        // As recorded of ConverseStream (2025-11): length 142, headers 82.
        let frame = frame(
            "messageStart",
            br#"{"p":"abcdefghijklmnopq","role":"assistant"}"#,
            false,
        );
        assert_eq!(&frame[..12], b"\x00\x00\x00\x8e\x00\x00\x00R\xee\x91\xe1B");
        assert_eq!(&frame[frame.len() - 4..], b"\xf4P\xac\x95");
        assert_eq!(frame.len(), 142);
    }

    #[test]
    fn a_broken_frame_differs_in_its_last_checksum_alone() {
        let (right, wrong) = (frame("a", b"{}", false), frame("a", b"{}", true));
        assert_eq!(right[..right.len() - 4], wrong[..wrong.len() - 4]);
        assert_ne!(right, wrong);
    }
}
