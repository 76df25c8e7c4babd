//! A form that is passed on while it arrives, because its file is too large to be held.
//!
//! Its **beginning** is held: enough to know the model, so that it can be routed, and so that another endpoint may be tried while
//! nothing but the beginning has been sent. Its **rest** is looked at piece by piece before each piece goes on, and never held.
//!
//! What the beginning said cannot be changed by the rest: a field that the gateway acts on (`model`, `user`) is refused there. The
//! provider then gets a body that ends too early, and so nothing that it could serve.

use crate::api::{Api, Task};
use crate::multipart::{self, FormReader};
use crate::opaque::{check_form, malformed};
use crate::refusal::{Kind, Refusal};
use crate::request::Request;

/// Fields that must stand in the beginning: the gateway puts something else in their place.
const ACTED_ON: [&str; 2] = ["model", "user"];

/// The beginning of a form, as far as it has come.
#[derive(Debug)]
pub struct Beginning {
    api: Api,
    content_type: String,
    reader: FormReader,
    body: Vec<u8>,
}

/// The rest of a form whose beginning becomes a request.
#[derive(Debug)]
pub struct Rest {
    api: Api,
    content_type: String,
    reader: FormReader,
    /// Fields that have been looked at.
    seen: usize,
}

impl Beginning {
    /// `None`: what is sent to this API in a body of this type is never passed on in pieces. Of pictures, other fields than the model
    /// decide what is charged, and they may stand anywhere.
    pub fn new(api: Api, content_type: &str) -> Option<Result<Beginning, Refusal>> {
        if api.task() != Task::Transcribe {
            return None;
        }
        let boundary = match multipart::boundary(content_type)? {
            Ok(boundary) => boundary,
            Err(wrong) => return Some(Err(malformed(wrong.0))),
        };
        Some(Ok(Beginning {
            api,
            content_type: content_type.to_owned(),
            reader: FormReader::new(boundary),
            body: Vec::new(),
        }))
    }

    /// Takes what has come next.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        self.reader
            .push(piece)
            .map_err(|wrong| malformed(wrong.0))?;
        self.body.extend_from_slice(piece);
        Ok(())
    }

    /// How much of it has come.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether nothing has come yet.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Whether the model is known, so that what has come is enough to choose who serves.
    pub fn names_model(&self) -> bool {
        let mut fields = self.reader.fields().iter();
        fields.any(|field| field.name == "model")
    }

    /// What has come, and what looks at the rest.
    pub fn into_parts(self) -> (Vec<u8>, Rest) {
        let rest = Rest {
            api: self.api,
            content_type: self.content_type,
            seen: self.reader.fields().len(),
            reader: self.reader,
        };
        (self.body, rest)
    }

    /// What has come: all of it, after all.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }
}

impl Rest {
    /// The request, of the beginning. Before anything is pushed.
    pub fn request(&self, beginning: Vec<u8>) -> Result<Request, Refusal> {
        Request::of_form(beginning, self.api, &self.content_type, &self.reader)
    }

    /// Looks at the next piece, which may go on unless it is refused. `last`: nothing comes behind it.
    pub fn push(&mut self, piece: &[u8], last: bool) -> Result<(), Refusal> {
        self.reader
            .push(piece)
            .map_err(|wrong| malformed(wrong.0))?;
        let fields = self.reader.fields();
        let ended = fields.get(self.seen..).unwrap_or_default();
        // Known from its headers on, before anything of its value has gone.
        let begun = self.reader.open().into_iter();
        let mut names = ended.iter().map(|field| field.name.as_str()).chain(begun);
        if let Some(name) = names.find(|name| ACTED_ON.contains(name)) {
            return Err(Refusal::new(Kind::InvalidRequest).with_message(format!(
                "The field `{name}` stands behind the file of a form that is too large to be held (server.limits.form); put it before the \
                 file, once"
            )));
        }
        if !ended.is_empty() {
            self.seen = fields.len();
            check_form(self.api, &self.reader)?;
        }
        match last && !self.reader.is_whole() {
            true => Err(malformed("its closing boundary is missing")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=XX";
    const MODEL: &str = "--XX\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nhear\r\n";
    const FILE: &str =
        "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";

    fn rest() -> Rest {
        let mut beginning = Beginning::new(Api::Transcriptions, TYPE).unwrap().unwrap();
        assert!(!beginning.names_model());
        beginning.push(MODEL.as_bytes()).unwrap();
        beginning.push(FILE.as_bytes()).unwrap();
        assert!(beginning.names_model());
        assert_eq!(beginning.len(), MODEL.len() + FILE.len());
        let (body, rest) = beginning.into_parts();
        assert_eq!(rest.request(body).unwrap().model(), Some("hear"));
        rest
    }

    fn field(name: &str, value: &str) -> String {
        format!("\r\n--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}")
    }

    #[test]
    fn only_forms_that_are_heard_are_passed_on_in_pieces() {
        assert!(Beginning::new(Api::ImageEdits, TYPE).is_none());
        assert!(Beginning::new(Api::Transcriptions, "application/json").is_none());
        assert!(
            Beginning::new(Api::Translations, "multipart/form-data")
                .unwrap()
                .is_err()
        );
    }

    #[test]
    fn a_rest_of_sound_and_harmless_fields_may_go_on() {
        let whole = format!(
            "sound{}{}\r\n--XX--\r\n",
            field("language", "en"),
            field("response_format", "json")
        );
        for cut in 0..whole.len() {
            let mut rest = rest();
            rest.push(&whole.as_bytes()[..cut], false).unwrap();
            rest.push(&whole.as_bytes()[cut..], true).unwrap();
        }
    }

    #[test]
    fn what_the_beginning_said_is_not_said_again() {
        for name in ACTED_ON {
            let text = field(name, "other");
            let headed = text.len() - "other".len();
            // Refused before anything of the value could go on, wherever the piece ends.
            for cut in headed..=text.len() {
                let refusal = rest().push(&text.as_bytes()[..cut], false).unwrap_err();
                assert!(refusal.message.contains(name), "{}", refusal.message);
            }
        }
    }

    #[test]
    fn what_cannot_be_given_is_refused_before_the_end_is_sent() {
        let text = format!("{}\r\n--XX--", field("response_format", "srt"));
        let refusal = rest().push(text.as_bytes(), true).unwrap_err();
        assert!(refusal.message.contains("response_format"));
    }

    #[test]
    fn a_form_without_its_end_is_refused_with_its_last_piece() {
        let mut rest = rest();
        rest.push(b"sound", false).unwrap();
        assert!(rest.push(b"sound", true).is_err());
    }
}
