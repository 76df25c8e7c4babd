//! An answer that was given before, given again: under another id, at another time, and free of charge (openrouter.md section 4.10).
//!
//! What is kept is what the client was sent, plain or as a stream, byte for byte but for three things. Its usage is zero in every
//! number, because nothing was used. What the gateway said about how it was served (`openrouter_metadata`) is not repeated. And
//! where its id and its time stand is remembered, so that giving it again is a copy with a few bytes written over.

use crate::json::{Kind, Malformed, Walker};
use crate::member::lenient::{each_element, each_member};

/// Members that say how one request was served.
const METADATA: [&str; 2] = ["openrouter_metadata", "turnout_explain"];
/// Members that count.
const USAGE: [&str; 2] = ["usage", "usageMetadata"];
/// Members that say when the answer was made.
const TIMES: [&str; 2] = ["created", "created_at"];
/// The member that says when it was complete: seconds after the time of creation. Given again, it is complete at once.
const COMPLETED: &str = "completed_at";
/// Objects of events that hold an answer, or the beginning of one.
const INSIDE: [&str; 2] = ["response", "message"];

/// What stands before a generation's id proper, which some APIs put their own word in place of.
const ID_PREFIX: &str = "gen-";

/// An answer that can be given again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replay {
    bytes: Vec<u8>,
    /// Where the id stands, without its prefix.
    ids: Vec<u32>,
    /// Where its Unix seconds stand.
    times: Vec<u32>,
    id_len: usize,
    time_len: usize,
}

impl Replay {
    /// Prepares what was sent under this id and time. `None`: it is not what the gateway sends, and is better forgotten.
    pub fn of(sent: &[u8], events: bool, id: &str, created: u64) -> Option<Replay> {
        let sent = std::str::from_utf8(sent).ok()?;
        let created = created.to_string();
        let mut made = Rewriting {
            out: Vec::with_capacity(sent.len()),
            times: Vec::new(),
            created: &created,
        };
        match events {
            true => {
                for line in sent.split_inclusive('\n') {
                    let data = line.strip_prefix("data:").map(str::trim);
                    match data.filter(|data| data.starts_with('{')) {
                        None => made.out.extend_from_slice(line.as_bytes()),
                        Some(document) => {
                            made.out.extend_from_slice(b"data: ");
                            made.document(document).ok()?;
                            made.out.push(b'\n');
                        }
                    }
                }
            }
            false => made.document(sent).ok()?,
        }
        let id = bare(id);
        let ids = memchr::memmem::find_iter(&made.out, id.as_bytes())
            .map(|at| at as u32)
            .collect();
        // Four gigabytes are far beyond any bound of an entry.
        u32::try_from(made.out.len()).ok()?;
        Some(Replay {
            ids,
            times: made.times,
            id_len: id.len(),
            time_len: created.len(),
            bytes: made.out,
        })
    }

    /// Bytes that it keeps.
    pub fn size(&self) -> usize {
        self.bytes.capacity() + (self.ids.capacity() + self.times.capacity()) * size_of::<u32>()
    }

    /// Appends the answer under another id and time. Both have the lengths that they had first, which they keep until the year
    /// 2286; where not, the first ones stay.
    pub fn again(&self, id: &str, created: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let mut digits = itoa::Buffer::new();
        let texts = [
            (&self.ids, bare(id), self.id_len),
            (&self.times, digits.format(created), self.time_len),
        ];
        for (places, text, len) in texts
            .into_iter()
            .filter(|(_, text, len)| text.len() == *len)
        {
            for &at in places {
                let at = start + at as usize;
                if let Some(place) = out.get_mut(at..at + len) {
                    place.copy_from_slice(text.as_bytes());
                }
            }
        }
    }

    /// Appends it in a form that [`Replay::unpack`] reads: lengths and places as little-endian numbers of 32 bits, then the bytes.
    pub fn pack(&self, out: &mut Vec<u8>) {
        let numbers = [
            self.id_len as u32,
            self.time_len as u32,
            self.ids.len() as u32,
            self.times.len() as u32,
        ];
        for number in numbers.iter().chain(&self.ids).chain(&self.times) {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.bytes);
    }

    /// Reads what [`Replay::pack`] wrote; `None` for anything else.
    pub fn unpack(packed: &[u8]) -> Option<Replay> {
        let mut rest = packed;
        let mut number = || {
            let (first, after) = rest.split_first_chunk::<4>()?;
            rest = after;
            Some(u32::from_le_bytes(*first))
        };
        let (id_len, time_len) = (number()? as usize, number()? as usize);
        let (ids_len, times_len) = (number()? as usize, number()? as usize);
        if (ids_len + times_len) * 4 > packed.len() {
            return None;
        }
        let ids = (0..ids_len)
            .map(|_| number())
            .collect::<Option<Vec<u32>>>()?;
        let times = (0..times_len)
            .map(|_| number())
            .collect::<Option<Vec<u32>>>()?;
        Some(Replay {
            bytes: rest.to_vec(),
            ids,
            times,
            id_len,
            time_len,
        })
    }
}

fn bare(id: &str) -> &str {
    id.strip_prefix(ID_PREFIX).unwrap_or(id)
}

/// Writes documents with what must not be repeated changed.
struct Rewriting<'c> {
    out: Vec<u8>,
    times: Vec<u32>,
    created: &'c str,
}

impl Rewriting<'_> {
    /// One document, or an array of them.
    fn document(&mut self, text: &str) -> Result<(), Malformed> {
        let mut walker = Walker::new(text);
        let mut cursor = Cursor { text, copied: 0 };
        if walker.peek() == Some(Kind::Array) {
            each_element(&mut walker, |walker| self.object(walker, &mut cursor))?;
        } else {
            self.object(&mut walker, &mut cursor)?;
        }
        walker.finish()?;
        cursor.copy_to(text.len(), &mut self.out);
        Ok(())
    }

    fn object<'a>(
        &mut self,
        walker: &mut Walker<'a>,
        cursor: &mut Cursor<'a>,
    ) -> Result<(), Malformed> {
        if walker.peek() != Some(Kind::Object) {
            walker.value()?;
            return Ok(());
        }
        let mut more = walker.enter_object()?;
        let mut is_first = true;
        // Where the member before ends, once there is one.
        let mut before = walker.offset();
        while more {
            let key = walker.key()?;
            if METADATA.contains(&key.name) {
                let value = walker.value()?;
                more = walker.next_member()?;
                // The first member takes the comma after it along, any other the one before it.
                if is_first && more {
                    walker.peek();
                    cursor.copy_to(key.start, &mut self.out);
                    cursor.copied = walker.offset();
                } else {
                    cursor.copy_to(if is_first { key.start } else { before }, &mut self.out);
                    cursor.copied = value.span.end;
                }
                continue;
            }
            if USAGE.contains(&key.name) {
                self.zero(walker, cursor)?;
            } else if INSIDE.contains(&key.name) {
                self.object(walker, cursor)?;
            } else {
                let value = walker.value()?;
                if self.is_time(key.name, value.raw(cursor.text)) {
                    cursor.copy_to(value.span.start, &mut self.out);
                    self.times.push(self.out.len() as u32);
                }
            }
            is_first = false;
            before = walker.offset();
            more = walker.next_member()?;
        }
        Ok(())
    }

    /// Whether a member says when the answer was made, by our own clock.
    fn is_time(&self, name: &str, value: &str) -> bool {
        if name == COMPLETED {
            // It stands behind the time of creation, and is the provider's own where that is.
            return !self.times.is_empty()
                && value.len() == self.created.len()
                && value.bytes().all(|byte| byte.is_ascii_digit());
        }
        TIMES.contains(&name) && value == self.created
    }

    /// Makes every number of a value zero.
    fn zero<'a>(
        &mut self,
        walker: &mut Walker<'a>,
        cursor: &mut Cursor<'a>,
    ) -> Result<(), Malformed> {
        match walker.peek() {
            Some(Kind::Object) => each_member(walker, |walker, _| self.zero(walker, cursor)),
            Some(Kind::Array) => each_element(walker, |walker| self.zero(walker, cursor)),
            _ => {
                let value = walker.value()?;
                if value.kind == Kind::Number {
                    cursor.copy_to(value.span.start, &mut self.out);
                    self.out.push(b'0');
                    cursor.copied = value.span.end;
                }
                Ok(())
            }
        }
    }
}

/// How far a document has been copied.
struct Cursor<'a> {
    text: &'a str,
    copied: usize,
}

impl Cursor<'_> {
    fn copy_to(&mut self, end: usize, out: &mut Vec<u8>) {
        let part = self.text.get(self.copied..end).unwrap_or_default();
        out.extend_from_slice(part.as_bytes());
        self.copied = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "gen-1764031697-AbCdEfGhIjKlMnOpQrSt";
    const LATER: &str = "gen-1764032000-TTTTTTTTTTTTTTTTTTTT";

    fn again(sent: &str, events: bool) -> String {
        let replay = Replay::of(sent.as_bytes(), events, ID, 1_764_031_697).expect("it is ours");
        let mut packed = Vec::new();
        replay.pack(&mut packed);
        assert_eq!(Replay::unpack(&packed).as_ref(), Some(&replay));
        for end in 0..packed.len().min(16) {
            assert_eq!(Replay::unpack(&packed[..end]), None);
        }
        let mut out = b"before".to_vec();
        replay.again(LATER, 1_764_032_000, &mut out);
        String::from_utf8(out.split_off(6)).expect("it is text")
    }

    #[test]
    fn k03_a_plain_answer_has_another_id_and_time_and_used_nothing() {
        let sent = r#"{"openrouter_metadata":{"usage":{"a":1}}, "id":"gen-1764031697-AbCdEfGhIjKlMnOpQrSt","created": 1764031697,
            "choices":[{"message":{"content":"created 1764031697","usage":{"x":3}}}],"turnout_explain":{},
            "usage":{"prompt_tokens":12,"cost":0.00012,"is_byok":false,"d":{"cached_tokens":3,"n":null},"l":[{"c":-1.5e3}]}}"#;
        let expected = r#"{"id":"gen-1764032000-TTTTTTTTTTTTTTTTTTTT","created": 1764032000,
            "choices":[{"message":{"content":"created 1764031697","usage":{"x":3}}}],
            "usage":{"prompt_tokens":0,"cost":0,"is_byok":false,"d":{"cached_tokens":0,"n":null},"l":[{"c":0}]}}"#;
        assert_eq!(again(sent, false), expected);
    }

    #[test]
    fn k13_metadata_goes_wherever_it_stands() {
        for (sent, expected) in [
            (r#"{"openrouter_metadata":{}}"#, "{}"),
            (r#"{"openrouter_metadata":{},"turnout_explain":1}"#, "{}"),
            (r#"{"a":1,"openrouter_metadata":{}}"#, r#"{"a":1}"#),
            (
                r#"{"openrouter_metadata":{},"a":1,"turnout_explain":1,"b":2}"#,
                r#"{"a":1,"b":2}"#,
            ),
            (
                r#"{"response":{"a":1,"openrouter_metadata":{}}}"#,
                r#"{"response":{"a":1}}"#,
            ),
        ] {
            assert_eq!(again(sent, false), expected);
        }
    }

    #[test]
    fn k05_a_stream_stays_a_stream() {
        let sent = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"gen-1764031697-AbCdEfGhIjKlMnOpQrSt\",\"usage\":{\"input_tokens\":9}}}\n\n\
                    data: {\"id\":\"msg_1764031697-AbCdEfGhIjKlMnOpQrSt\",\"response\":{\"created_at\":1764031697,\"usage\":{\"total\":9}}}\n\ndata: [DONE]\n\n";
        let expected = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"gen-1764032000-TTTTTTTTTTTTTTTTTTTT\",\"usage\":{\"input_tokens\":0}}}\n\n\
                    data: {\"id\":\"msg_1764032000-TTTTTTTTTTTTTTTTTTTT\",\"response\":{\"created_at\":1764032000,\"usage\":{\"total\":0}}}\n\ndata: [DONE]\n\n";
        assert_eq!(again(sent, true), expected);
        let array =
            r#"[{"usageMetadata":{"n":1}},{"responseId":"gen-1764031697-AbCdEfGhIjKlMnOpQrSt"}]"#;
        assert_eq!(
            again(array, false),
            r#"[{"usageMetadata":{"n":0}},{"responseId":"gen-1764032000-TTTTTTTTTTTTTTTTTTTT"}]"#
        );
    }

    #[test]
    fn k05_what_is_given_again_is_complete_when_it_is_given() {
        assert_eq!(
            again(
                r#"{"created_at":1764031697,"completed_at":1764031705}"#,
                false
            ),
            r#"{"created_at":1764032000,"completed_at":1764032000}"#
        );
        // The provider's own times, and one that was never complete.
        for sent in [
            r#"{"created_at":1700000000,"completed_at":1700000005}"#,
            r#"{"created_at":1764031697,"completed_at":null}"#,
        ] {
            let expected = sent.replace("1764031697", "1764032000");
            assert_eq!(again(sent, false), expected);
        }
    }

    #[test]
    fn what_is_not_ours_is_not_kept() {
        for sent in ["", "{", "{}x", "\u{0}"] {
            assert_eq!(Replay::of(sent.as_bytes(), false, ID, 1), None, "{sent:?}");
        }
        assert_eq!(Replay::of(b"\xff", false, ID, 1), None);
        let replay = Replay::of(b"{\"created\":1}", false, ID, 1).expect("it is JSON");
        let mut out = Vec::new();
        replay.again("short", 10, &mut out);
        assert_eq!(out, b"{\"created\":1}");
    }
}
