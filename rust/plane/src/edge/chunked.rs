//! The chunked transfer coding (RFC 9112 section 7.1), read strictly and incrementally.
//!
//! One decoder serves both sides. Towards clients every deviation is refused; towards providers too, since a provider
//! whose framing is broken cannot be trusted to have sent the whole answer.

/// What a chunk-size line may hold beside the size, and what all trailers together may hold. Both are dropped unread.
const EXTENSION_BYTES_MAX: usize = 256;
const TRAILER_BYTES_MAX: usize = 8192;

/// Incremental decoder.
#[derive(Debug, Clone)]
pub(crate) struct Chunked {
    state: State,
    /// Bytes left of the current chunk, or bytes seen of the current line.
    count: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Digits of a size; `count` is the size so far; the number of digits seen.
    Size(u8),
    /// White space after the size. Old servers pad with it, so that it is let pass; but what follows must be an extension
    /// or the end of the line, or else two parsers would read two sizes.
    Padding(u16),
    /// After the size's semicolon, until CR, with the bytes seen so far.
    Extension(u16),
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// Start of a trailer line, with the bytes of trailers seen so far.
    Trailer(u16),
    TrailerLine(u16),
    TrailerLf(u16),
    EndLf,
    Done,
}

/// Why the framing is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadChunk(pub(crate) &'static str);

impl Chunked {
    pub(crate) fn new() -> Self {
        Chunked {
            state: State::Size(0),
            count: 0,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Decodes from `input`, appending data to `out` until it holds `out_max` bytes; returns how much of `input` was used.
    pub(crate) fn decode(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        out_max: usize,
    ) -> Result<usize, BadChunk> {
        let mut at = 0;
        while at < input.len() && self.state != State::Done {
            let byte = input[at];
            match self.state {
                State::Data => {
                    let room = out_max.saturating_sub(out.len());
                    if room == 0 {
                        return Ok(at);
                    }
                    let take = (self.count.min((input.len() - at) as u64) as usize).min(room);
                    out.extend_from_slice(&input[at..at + take]);
                    self.count -= take as u64;
                    at += take;
                    if self.count == 0 {
                        self.state = State::DataCr;
                    }
                    continue;
                }
                State::Size(digits) => match hex(byte) {
                    Some(digit) if digits < 15 => {
                        self.count = self.count * 16 + u64::from(digit);
                        self.state = State::Size(digits + 1);
                    }
                    Some(_) => return Err(BadChunk("a chunk size has more than 15 digits")),
                    None if digits == 0 => {
                        return Err(BadChunk("a chunk does not begin with its size in hex"));
                    }
                    None if byte == b'\r' => self.state = State::SizeLf,
                    None if byte == b';' => self.state = State::Extension(0),
                    None if byte == b' ' || byte == b'\t' => self.state = State::Padding(0),
                    None => {
                        return Err(BadChunk(
                            "a chunk size holds something that is no hex digit",
                        ));
                    }
                },
                State::Padding(seen) => match byte {
                    b'\r' => self.state = State::SizeLf,
                    b';' => self.state = State::Extension(seen),
                    b' ' | b'\t' if usize::from(seen) < EXTENSION_BYTES_MAX => {
                        self.state = State::Padding(seen + 1);
                    }
                    _ => return Err(BadChunk("a chunk size is followed by something else")),
                },
                State::Extension(seen) => match byte {
                    b'\r' => self.state = State::SizeLf,
                    b'\n' | 0 => {
                        return Err(BadChunk("a chunk extension holds a control character"));
                    }
                    _ if usize::from(seen) >= EXTENSION_BYTES_MAX => {
                        return Err(BadChunk("a chunk extension is too long"));
                    }
                    _ => self.state = State::Extension(seen + 1),
                },
                State::SizeLf => {
                    expect_lf(byte)?;
                    self.state = if self.count == 0 {
                        State::Trailer(0)
                    } else {
                        State::Data
                    };
                }
                State::DataCr => {
                    if byte != b'\r' {
                        return Err(BadChunk("a chunk is longer than its size says"));
                    }
                    self.state = State::DataLf;
                }
                State::DataLf => {
                    expect_lf(byte)?;
                    self.state = State::Size(0);
                }
                State::Trailer(seen) => {
                    self.state = if byte == b'\r' {
                        State::EndLf
                    } else {
                        trailer(byte, seen)?
                    };
                }
                State::TrailerLine(seen) => {
                    self.state = if byte == b'\r' {
                        State::TrailerLf(seen)
                    } else {
                        trailer(byte, seen)?
                    };
                }
                State::TrailerLf(seen) => {
                    expect_lf(byte)?;
                    self.state = State::Trailer(seen);
                }
                State::EndLf => {
                    expect_lf(byte)?;
                    self.state = State::Done;
                }
                State::Done => {}
            }
            at += 1;
        }
        Ok(at)
    }
}

fn trailer(byte: u8, seen: u16) -> Result<State, BadChunk> {
    if byte == b'\n' || byte == 0 {
        return Err(BadChunk("a trailer holds a control character"));
    }
    if usize::from(seen) >= TRAILER_BYTES_MAX {
        return Err(BadChunk("the trailers are too long"));
    }
    Ok(State::TrailerLine(seen + 1))
}

fn expect_lf(byte: u8) -> Result<(), BadChunk> {
    if byte == b'\n' {
        Ok(())
    } else {
        Err(BadChunk("a CR is not followed by LF"))
    }
}

fn hex(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

/// Writes `<size>\r\n` and returns it as a slice of `room`.
pub(crate) fn size_line(size: usize, room: &mut [u8; 18]) -> &[u8] {
    let mut at = 16;
    room[16] = b'\r';
    room[17] = b'\n';
    let mut left = size;
    loop {
        at -= 1;
        room[at] = b"0123456789abcdef"[left & 15];
        left >>= 4;
        if left == 0 {
            return &room[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &[u8]) -> Result<(Vec<u8>, bool, usize), BadChunk> {
        let (mut decoder, mut out) = (Chunked::new(), Vec::new());
        let used = decoder.decode(text, &mut out, usize::MAX)?;
        Ok((out, decoder.is_done(), used))
    }

    #[test]
    fn decodes_with_extensions_and_trailers_and_leaves_the_rest() {
        let text = b"5;a=b\r\nhello\r\n1 \r\n!\r\n0\r\nX: y\r\n\r\nGET";
        assert_eq!(decode(text), Ok((b"hello!".to_vec(), true, text.len() - 3)));
    }

    #[test]
    fn gives_the_same_however_it_is_split() {
        let text = b"1f\r\n0123456789012345678901234567890\r\n3\r\nabc\r\n0\r\n\r\n";
        let whole = decode(text).expect("good").0;
        for cut in 0..text.len() {
            let (mut decoder, mut out) = (Chunked::new(), Vec::new());
            for part in [&text[..cut], &text[cut..]] {
                assert_eq!(decoder.decode(part, &mut out, usize::MAX), Ok(part.len()));
            }
            assert!(decoder.is_done());
            assert_eq!(out, whole);
        }
    }

    #[test]
    fn refuses_bad_framing() {
        for text in [
            &b"\r\n"[..],
            b"g\r\n",
            b"-1\r\n",
            b"0x5\r\nhello\r\n",
            b"5\nhello\r\n",
            b"5\r\nhello!\r\n",
            b"5\r\nhello\n",
            b"5\rxhello",
            b"ffffffffffffffff\r\n",
            b"0\r\nX\n\r\n",
            b"5;\nx\r\n",
            b"5 0\r\nhello\r\n",
            b"5 a=b\r\nhello\r\n",
        ] {
            assert!(decode(text).is_err(), "{:?}", String::from_utf8_lossy(text));
        }
        for long in [
            [b"1;", [b'x'; 300].as_slice()],
            [b"1 ", [b' '; 300].as_slice()],
        ] {
            assert!(decode(&long.concat()).is_err());
        }
    }

    #[test]
    fn a_full_target_stops_the_decoder_without_losing_a_byte() {
        let (mut decoder, mut out) = (Chunked::new(), Vec::new());
        let text = b"5\r\nhello\r\n0\r\n\r\n";
        let used = decoder.decode(text, &mut out, 2).expect("good");
        assert_eq!(out, b"he");
        out.clear();
        decoder.decode(&text[used..], &mut out, 100).expect("good");
        assert_eq!(out, b"llo");
        assert!(decoder.is_done());
    }

    #[test]
    fn size_lines() {
        let mut room = [0; 18];
        for (size, text) in [
            (0, "0\r\n"),
            (31, "1f\r\n"),
            (usize::MAX, "ffffffffffffffff\r\n"),
        ] {
            assert_eq!(size_line(size, &mut room), text.as_bytes());
        }
    }
}
