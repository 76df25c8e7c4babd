//! Forms: bodies of `multipart/form-data` (RFC 7578), in which clients send files to be heard or painted over.
//!
//! A form is read while it arrives, in pieces of any size, without being held: what is kept are the names of its parts, the
//! values of its short fields, and where those stand, so that a value can be cut out and another put in its place. Files are
//! passed over.
//!
//! **One reading.** Two parsers that disagree about where a part ends, or which of two fields of one name counts, would let a client
//! be billed for another model than the one that served. So what RFC 7578 leaves open is refused here: a form without its closing
//! boundary, a part without a name, a second field of a name that the gateway acts on.

use memchr::memmem;

use crate::json::Span;

/// Longest boundary (RFC 2046 section 5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;
/// Most bytes of the headers of one part.
const HEADERS_BYTES_MAX: usize = 8 * 1024;
/// Most parts of one form. The largest real ones hold sixteen images and a dozen fields.
const PARTS_MAX: usize = 256;
/// Longest value of a field that is kept. Prompts may be longer, and nobody looks at those.
const VALUE_BYTES_MAX: usize = 1024;
/// What stands before each boundary but perhaps the first.
const LINE_END: &[u8] = b"\r\n";

/// Why bytes are no form that can be read in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong(pub &'static str);

/// The boundary that a `Content-Type` names. `None`: it is not a form's.
pub fn boundary(content_type: &str) -> Option<Result<&str, Wrong>> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let found = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then_some(value.trim())
    });
    let Some(found) = found else {
        return Some(Err(Wrong("its Content-Type names no boundary")));
    };
    let bare = found
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(found);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    Some(match bare.len() {
        0 => Err(Wrong("its boundary is empty")),
        1..=BOUNDARY_BYTES_MAX if bare.bytes().all(allowed) => Ok(bare),
        _ => Err(Wrong(
            "its boundary is longer than 70 characters or holds others than letters, digits and '()+_,-./:=?",
        )),
    })
}

/// One part of a form that is not a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As it stands between the quotes.
    pub name: String,
    /// Where its value stands in the whole body.
    pub span: Span,
    /// The value; `None` when it is longer than a kilobyte.
    pub value: Option<Vec<u8>>,
}

/// Reads a form piece by piece.
#[derive(Debug)]
pub struct FormReader {
    /// Line end, two hyphens, boundary.
    delimiter: Vec<u8>,
    place: Place,
    /// Bytes that have arrived and are not yet understood. Shorter than the longest header plus a delimiter, between pushes.
    pending: Vec<u8>,
    /// Offset of `pending` in the body, counted from the line end that is thought before it.
    base: usize,
    parts: usize,
    /// The part whose data is being read.
    current: Option<Open>,
    fields: Vec<Field>,
    files: usize,
}

/// Where in the form the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first boundary.
    Preamble,
    /// In a part's headers.
    Headers,
    /// In a part's data.
    Data,
    /// Behind the closing boundary.
    End,
}

/// A part that has begun.
#[derive(Debug)]
struct Open {
    name: String,
    file: bool,
    start: usize,
    value: Option<Vec<u8>>,
}

impl FormReader {
    /// One for this boundary.
    pub fn new(boundary: &str) -> FormReader {
        FormReader {
            delimiter: [LINE_END, b"--", boundary.as_bytes()].concat(),
            place: Place::Preamble,
            // With a line end before the first byte the first boundary is like all others.
            pending: LINE_END.to_vec(),
            base: 0,
            parts: 0,
            current: None,
            fields: Vec::new(),
            files: 0,
        }
    }

    /// Takes the next piece of the body.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Wrong> {
        if self.place == Place::End {
            return Ok(());
        }
        self.pending.extend_from_slice(piece);
        while self.step()? {}
        Ok(())
    }

    /// Whether the closing boundary has come.
    pub fn is_whole(&self) -> bool {
        self.place == Place::End
    }

    /// The fields whose ends have come, in the order of the body.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Name of the part whose data is being read, from the end of its headers on. `None`: there is none, or it is a file.
    pub fn open(&self) -> Option<&str> {
        let open = self.current.as_ref().filter(|open| !open.file);
        open.map(|open| open.name.as_str())
    }

    /// How many files have come whole.
    pub fn files(&self) -> usize {
        self.files
    }

    /// The one field of this name. Two of them are refused.
    pub fn field(&self, name: &str) -> Result<Option<&Field>, Wrong> {
        let mut found = self.fields.iter().filter(|field| field.name == name);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(Wrong("it holds a field twice that may stand there once")),
            (field, None) => Ok(field),
        }
    }

    /// Understands as much as it can at once. False: more bytes have to come.
    fn step(&mut self) -> Result<bool, Wrong> {
        match self.place {
            Place::Preamble | Place::Data => self.data(),
            Place::Headers => self.headers(),
            Place::End => {
                self.pending = Vec::new();
                Ok(false)
            }
        }
    }

    /// Looks for the next boundary.
    fn data(&mut self) -> Result<bool, Wrong> {
        let Some(at) = memmem::find(&self.pending, &self.delimiter) else {
            // The last bytes may be the beginning of a boundary.
            let known = self.pending.len().saturating_sub(self.delimiter.len() - 1);
            self.pass(known);
            return Ok(false);
        };
        let after = self
            .pending
            .get(at + self.delimiter.len()..)
            .unwrap_or_default();
        // White space may stand between a boundary and the end of its line.
        let padding = after
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        if padding > HEADERS_BYTES_MAX {
            return Err(Wrong("a line of a boundary is too long"));
        }
        let rest = after.get(padding..).unwrap_or_default();
        let (length, place) = match rest {
            _ if after.starts_with(b"--") => (2, Place::End),
            [b'\r', b'\n', ..] => (padding + 2, Place::Headers),
            // Not decided yet: the line may go on, or the boundary may be the beginning of a longer text.
            [] | [b'\r'] => return self.wait(at),
            [b'-'] if padding == 0 => return self.wait(at),
            _ => {
                // A text that begins like the boundary is data.
                self.pass(at + self.delimiter.len());
                return Ok(true);
            }
        };
        self.pass(at);
        self.close()?;
        self.skip(self.delimiter.len() + length);
        self.place = place;
        Ok(true)
    }

    /// Passes what stands before an undecided boundary.
    fn wait(&mut self, at: usize) -> Result<bool, Wrong> {
        self.pass(at);
        Ok(false)
    }

    /// Reads the headers of a part, if all have come.
    fn headers(&mut self) -> Result<bool, Wrong> {
        // A part may have no headers at all, and then no name either.
        let end = match self.pending.starts_with(LINE_END) {
            true => Some(0),
            false => memmem::find(&self.pending, b"\r\n\r\n").map(|at| at + 2),
        };
        let Some(end) = end else {
            return match self.pending.len() > HEADERS_BYTES_MAX {
                true => Err(Wrong("the headers of a part are longer than 8 KiB")),
                false => Ok(false),
            };
        };
        if end > HEADERS_BYTES_MAX {
            return Err(Wrong("the headers of a part are longer than 8 KiB"));
        }
        let text = std::str::from_utf8(self.pending.get(..end).unwrap_or_default())
            .map_err(|_| Wrong("the headers of a part are not UTF-8"))?;
        let (name, file) = disposition(text).ok_or(Wrong("a part has no name"))?;
        let name = name.to_owned();
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(Wrong("it has more than 256 parts"));
        }
        self.skip(end + 2);
        // Data that is empty ends with the boundary whose line end is the one that closed the headers.
        self.unread_line_end();
        self.current = Some(Open {
            name,
            file,
            start: self.base + LINE_END.len(),
            value: (!file).then(Vec::new),
        });
        self.place = Place::Data;
        Ok(true)
    }

    /// Hands the first bytes of what is pending to the open part.
    fn pass(&mut self, count: usize) {
        let from = self.base;
        if let Some(open) = &mut self.current
            && let Some(value) = &mut open.value
        {
            // What stands before the part's start is the line end that was given back.
            let skipped = open.start.saturating_sub(from).min(count);
            let data = self.pending.get(skipped..count).unwrap_or_default();
            match value.len() + data.len() > VALUE_BYTES_MAX {
                true => open.value = None,
                false => value.extend_from_slice(data),
            }
        }
        self.skip(count);
    }

    /// Ends the open part where the reader stands.
    fn close(&mut self) -> Result<(), Wrong> {
        let Some(open) = self.current.take() else {
            return Ok(());
        };
        if open.file {
            self.files += 1;
            return Ok(());
        }
        // The line end before the body is only thought, so offsets in the body are smaller by its length. An empty value may
        // have its end before its start, because both lines' ends are one.
        let start = open.start - LINE_END.len();
        self.fields.push(Field {
            name: open.name,
            span: Span {
                start,
                end: (self.base - LINE_END.len().min(self.base)).max(start),
            },
            value: open.value,
        });
        Ok(())
    }

    fn skip(&mut self, count: usize) {
        let count = count.min(self.pending.len());
        self.pending.drain(..count);
        self.base += count;
    }

    /// Puts back the line end that was read last.
    fn unread_line_end(&mut self) {
        self.pending.splice(..0, LINE_END.iter().copied());
        self.base -= LINE_END.len();
    }
}

/// The name of a part, and whether it is a file.
fn disposition(headers: &str) -> Option<(&str, bool)> {
    let value = headers.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim()
            .eq_ignore_ascii_case("content-disposition")
            .then_some(value.trim())
    })?;
    let (kind, mut rest) = value.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return None;
    }
    let (mut name, mut file) = (None, false);
    loop {
        let (key, after) = rest.split_once('=')?;
        let key = key.trim_matches([' ', '\t', ';']);
        let after = after.trim_start();
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => {
                // A quote inside is written as %22 by browsers and as \" by older clients.
                let end = unescaped_quote(quoted)?;
                (quoted.get(..end)?, quoted.get(end + 1..)?)
            }
            None => after.split_once(';').unwrap_or((after, "")),
        };
        match key {
            key if key.eq_ignore_ascii_case("name") => {
                if name.is_some() {
                    return None;
                }
                name = Some(value.trim());
            }
            key if key.eq_ignore_ascii_case("filename")
                || key.eq_ignore_ascii_case("filename*") =>
            {
                file = true;
            }
            _ => {}
        }
        rest = left;
        if rest.trim_matches([' ', '\t', ';']).is_empty() {
            return name.map(|name| (name, file));
        }
    }
}

fn unescaped_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// Writes a form.
#[derive(Debug)]
pub struct FormWriter {
    boundary: String,
    body: Vec<u8>,
}

impl FormWriter {
    /// One whose boundary stands in none of the contents that are going to be written.
    pub fn new(contents: &[&[u8]]) -> FormWriter {
        let mut number = 0u64;
        loop {
            let boundary = format!("turnout-form-{number:016x}");
            let stands = |content: &&[u8]| memmem::find(content, boundary.as_bytes()).is_some();
            if !contents.iter().any(stands) {
                return FormWriter {
                    boundary,
                    body: Vec::new(),
                };
            }
            // Found by counting up: contents of finite length cannot hold all numbers.
            number += 1;
        }
    }

    /// Appends a field. Quotes and line ends in its name are written as browsers do.
    pub fn field(&mut self, name: &str, value: &str) {
        self.open(name, "");
        self.body.extend_from_slice(LINE_END);
        self.body.extend_from_slice(value.as_bytes());
        self.body.extend_from_slice(LINE_END);
    }

    /// Appends a file.
    pub fn file(&mut self, name: &str, filename: &str, content_type: &str, data: &[u8]) {
        self.open(name, &format!("; filename=\"{}\"", escaped(filename)));
        let kind: String = content_type
            .chars()
            .filter(|letter| !letter.is_control())
            .collect();
        self.body
            .extend_from_slice(format!("Content-Type: {kind}\r\n\r\n").as_bytes());
        self.body.extend_from_slice(data);
        self.body.extend_from_slice(LINE_END);
    }

    /// The whole body, and its content type.
    pub fn finish(mut self) -> (Vec<u8>, String) {
        self.body
            .extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        let content_type = format!("multipart/form-data; boundary={}", self.boundary);
        (self.body, content_type)
    }

    fn open(&mut self, name: &str, more: &str) {
        let line = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{}\"{more}\r\n",
            self.boundary,
            escaped(name)
        );
        self.body.extend_from_slice(line.as_bytes());
    }
}

/// As the HTML standard writes names in forms.
fn escaped(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &[u8] = b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a;b\\\".mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n\r\n--X\r\n--XXY not the end\0\xff\r\n--XX  \r\ncontent-disposition: FORM-DATA;name=model\r\n\r\nwhisper-1\r\n--XX\r\nContent-Disposition: form-data; name=\"language\"\r\n\r\n\r\n--XX--\r\nepilogue";

    fn read(pieces: &[&[u8]]) -> Result<FormReader, Wrong> {
        let mut reader = FormReader::new("XX");
        for piece in pieces {
            reader.push(piece)?;
        }
        Ok(reader)
    }

    fn value(field: Option<&Field>) -> &[u8] {
        field.and_then(|field| field.value.as_deref()).unwrap()
    }

    #[test]
    fn fields_are_found_with_their_places() {
        let reader = read(&[FORM]).unwrap();
        assert!(reader.is_whole());
        assert_eq!((reader.fields().len(), reader.files()), (2, 1));
        let model = reader.field("model").unwrap();
        assert_eq!(value(model), b"whisper-1");
        let span = model.unwrap().span;
        assert_eq!(&FORM[span.start..span.end], b"whisper-1");
        let language = reader.field("language").unwrap();
        assert_eq!(value(language), b"");
        let span = language.unwrap().span;
        assert_eq!(
            (span.start, &FORM[span.start..span.start + 6]),
            (span.end, b"\r\n--XX".as_slice())
        );
    }

    #[test]
    fn any_cut_in_three_gives_the_same() {
        let whole = read(&[FORM]).unwrap();
        for first in 0..FORM.len() {
            for second in [first, first + 1, first + 3, FORM.len()] {
                let second = second.min(FORM.len());
                let cut = read(&[&FORM[..first], &FORM[first..second], &FORM[second..]]).unwrap();
                assert_eq!(cut.fields(), whole.fields(), "{first} {second}");
                assert_eq!((cut.files(), cut.is_whole()), (1, true));
            }
        }
    }

    #[test]
    fn what_ends_too_early_is_not_whole() {
        let end = memmem::find(FORM, b"--XX--").unwrap() + 6;
        for length in 0..end {
            assert!(!read(&[&FORM[..length]]).unwrap().is_whole(), "{length}");
        }
    }

    #[test]
    fn what_is_kept_between_pieces_is_bounded() {
        let mut reader = FormReader::new("XX");
        reader
            .push(b"--XX\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n")
            .unwrap();
        for _ in 0..100 {
            reader.push(&[b'x'; 1000]).unwrap();
            assert!(reader.pending.len() < 16);
        }
        reader.push(b"\r\n--XX--").unwrap();
        let field = reader.field("prompt").unwrap().unwrap();
        assert_eq!(
            (field.span.end - field.span.start, &field.value),
            (100_000, &None)
        );
    }

    #[test]
    fn forms_with_two_readings_are_refused() {
        let part = |disposition: &str| format!("--XX\r\n{disposition}\r\n\r\nv\r\n--XX--\r\n");
        for disposition in [
            "",
            "Content-Type: text/plain",
            "Content-Disposition: attachment; name=\"a\"",
            "Content-Disposition: form-data",
            "Content-Disposition: form-data; name=\"a\"; name=\"b\"",
            "Content-Disposition: form-data; name=\"a",
        ] {
            assert!(
                read(&[part(disposition).as_bytes()]).is_err(),
                "{disposition}"
            );
        }
        let long = part(&format!(
            "Content-Disposition: form-data; name=\"{}\"",
            "a".repeat(9000)
        ));
        assert!(read(&[long.as_bytes()]).is_err());
        let one = "--XX\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nv\r\n";
        let twice = format!("{one}{one}--XX--");
        assert!(read(&[twice.as_bytes()]).unwrap().field("model").is_err());
        let many = one.repeat(PARTS_MAX + 1);
        assert!(read(&[many.as_bytes()]).is_err());
    }

    #[test]
    fn boundaries_are_read_from_the_content_type() {
        for (text, expected) in [
            ("application/json", None),
            ("multipart/mixed; boundary=a", None),
            ("multipart/form-data; boundary=abc", Some(Ok("abc"))),
            (
                "Multipart/Form-Data; charset=utf-8; Boundary=\"a b'c\"",
                Some(Ok("a b'c")),
            ),
        ] {
            assert_eq!(boundary(text), expected, "{text}");
        }
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        for text in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=a\"b",
            &long,
        ] {
            assert!(matches!(boundary(text), Some(Err(_))), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let audio = b"\0turnout-form-0000000000000000\r\n--turnout".as_slice();
        let mut writer = FormWriter::new(&[audio]);
        writer.file("file", "a\"b.wav", "audio/wav", audio);
        writer.field("model", "m");
        let (body, content_type) = writer.finish();
        let boundary = boundary(&content_type).unwrap().unwrap();
        let mut reader = FormReader::new(boundary);
        reader.push(&body).unwrap();
        assert!(reader.is_whole());
        assert_eq!(
            (reader.files(), value(reader.field("model").unwrap())),
            (1, b"m".as_slice())
        );
    }
}
