//! The other framing of streamGenerateContent: without `alt=sse` the answers are the elements of one JSON array.
//!
//! Whatever wrote the events, the writer or the passing editor, each is `data: …` and an empty line. They are turned into elements
//! chunk by chunk, after the fact, so that neither has to know.

/// Turns the events of one stream into an array.
#[derive(Debug, Default)]
pub struct ArrayFraming {
    begun: bool,
}

impl ArrayFraming {
    /// For one stream.
    pub fn new() -> ArrayFraming {
        ArrayFraming::default()
    }

    /// Appends the elements that `events` are: whole events as this crate writes them, one `data:` line each. Comments, which keep a
    /// connection of events alive, become white space.
    pub fn chunk(&mut self, events: &[u8], out: &mut Vec<u8>) {
        for line in events.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.starts_with(b":") {
                // Not before the array begins: white space may stand there too, but a client may look at the first byte.
                if self.begun {
                    out.push(b'\n');
                }
                continue;
            }
            let Some(data) = line.strip_prefix(b"data:") else {
                continue;
            };
            out.extend_from_slice(match std::mem::replace(&mut self.begun, true) {
                true => b",\n",
                false => b"[",
            });
            out.extend_from_slice(data.trim_ascii_start());
        }
    }

    /// Closes the array; an empty one if there was no event.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            out.push(b'[');
        }
        out.extend_from_slice(b"]\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_become_elements() {
        let mut framing = ArrayFraming::new();
        let mut out = Vec::new();
        framing.chunk(b": wait\n\n", &mut out);
        framing.chunk(b"data: {\"a\":1}\n\ndata: {\"a\":2}\r\n\r\n", &mut out);
        framing.chunk(b": wait\n\n", &mut out);
        framing.chunk(b"data: {\"a\":3}\n\n", &mut out);
        framing.end(&mut out);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value, serde_json::json!([{"a":1},{"a":2},{"a":3}]));
        assert!(out.starts_with(b"[{"));
    }

    #[test]
    fn a_stream_without_events_is_an_empty_array() {
        let mut out = Vec::new();
        ArrayFraming::new().end(&mut out);
        assert_eq!(out, b"[]\n");
    }
}
