//! The body for one endpoint: the client's own bytes where the endpoint speaks its API, else a translation.

use std::borrow::Cow;

use super::fate::Fate;
use super::scan::DEVELOPER;
use super::upstream::Edit;
use super::{Form, Request, StreamOptions, Upstream};
use crate::api::{self, Api, Task};
use crate::dialect::{self, Dialect, Target};
use crate::json::{self, Kind, Span, Walker};
use crate::member::{self, Path};
use crate::merge;
use crate::opaque;
use crate::refusal::Refusal;

impl Request {
    /// The body for one endpoint: the client's own bytes where the endpoint speaks its API, else a translation. The refusal says what
    /// the endpoint's protocol cannot express, or, of a body that is translated, what is wrong with it.
    pub fn upstream<'a>(&'a self, target: &Target<'a>) -> Result<Upstream<'a>, Refusal> {
        if let Some(form) = &self.form {
            return Ok(self.pass_form(form, target));
        }
        if !target.overrides.is_empty() {
            let body = merge::changed(self.asked(), target.overrides);
            let changed = self.reread(body.into_bytes(), None)?;
            let target = Target {
                overrides: &[],
                ..*target
            };
            return Ok(changed.upstream(&target)?.into_owned());
        }
        if self.api.task() == Task::Transcribe {
            let (body, content_type) = opaque::form_of(self.asked(), target.model, target.user)?;
            return Ok(Upstream::of(body).with_type(Cow::Owned(content_type)));
        }
        // OpenAI-like providers rank in Cohere's words.
        let home = self.api.home() == target.dialect || self.api == Api::Rerank;
        match home && !self.carries_signatures() {
            true => self.pass(target),
            false => self.translate(target),
        }
    }

    /// Whether the conversation holds signatures of other vendors, which the gateway packed and no provider understands
    /// ([`api::messages::carried`]): then the body is written anew without them, because the provider would refuse it.
    fn carries_signatures(&self) -> bool {
        self.api == Api::Messages
            && memchr::memmem::find(&self.body, api::messages::carried::PREFIX.as_bytes()).is_some()
    }

    fn translate(&self, target: &Target<'_>) -> Result<Upstream<'static>, Refusal> {
        let text = self.asked();
        let mut out = Vec::with_capacity(text.len() + text.len() / 8);
        match self.api.task() {
            Task::Generate => {
                let ask = api::read(self.api, text, self.stream)?;
                dialect::write(&ask, target, &mut out)?;
            }
            Task::Embed => {
                let ask = api::read_embed(self.api, text)?;
                dialect::write_embed(&ask, target, &mut out)?;
            }
            Task::Rerank => {
                let ask = api::read_rerank(text)?;
                dialect::write_rerank(&ask, target, &mut out)?;
            }
            Task::CountTokens | Task::Image | Task::Speak | Task::Transcribe | Task::Moderate => {
                return Err(target.inexpressible(self.api.name()));
            }
        }
        Ok(Upstream::of(out))
    }

    fn pass<'a>(&'a self, target: &Target<'a>) -> Result<Upstream<'a>, Refusal> {
        let mut edits = Vec::with_capacity(4 + self.noted.len());
        let mut removed = 0;
        // A member is leading when everything before it is taken out too: then it takes the comma after it, not the one before.
        let mut leading = 0;
        for noted in &self.noted {
            let (span, new) = match self.fate(noted, target)? {
                Fate::Keep => continue,
                Fate::Remove => {
                    removed += 1;
                    let span = match noted.index == leading {
                        true => {
                            leading += 1;
                            Span {
                                start: noted.span.start,
                                end: noted.next,
                            }
                        }
                        false => Span {
                            start: noted.before,
                            end: noted.span.end,
                        },
                    };
                    (span, Cow::Borrowed(b"".as_slice()))
                }
                Fate::Rename(name) => {
                    // A key of interest is written without escapes, so that its quotes end it.
                    let inside = self.body.get(noted.span.start + 1..).unwrap_or_default();
                    let len = memchr::memchr(b'"', inside).unwrap_or(0);
                    let span = Span {
                        start: noted.span.start + 1,
                        end: noted.span.start + 1 + len,
                    };
                    (span, Cow::Borrowed(name.as_bytes()))
                }
                Fate::Value(value) => (noted.value.span, Cow::Owned(value)),
                Fate::Member(member) => (noted.span, Cow::Owned(member)),
            };
            edits.push(Edit { span, new });
        }
        if let Some((name, value)) = target.in_place_of_model() {
            self.put_in_place_of_model(name, value, removed, &mut edits);
        } else if !self.api.model_in_path() {
            self.put_model(target.model, removed, &mut edits);
        }
        if self.stream && target.dialect == Dialect::OpenAi && target.quirks.stream_usage {
            self.ask_for_usage(&mut edits);
        }
        if !target.quirks.developer_role && self.api == Api::Chat && self.says_developer {
            rename_developers(self.asked(), &mut edits);
        }
        if self.api == Api::Responses {
            // Thoughts of other protocols that this gateway packed for the client: no provider could read them.
            let sealed = api::responses::sealed_items(self.asked());
            edits.extend(sealed.into_iter().map(|span| Edit {
                span,
                new: Cow::Borrowed(b""),
            }));
        }
        Ok(Upstream::edited(&self.body, edits))
    }

    /// The client's form with the model's name changed, and the user's where another stands for it.
    fn pass_form<'a>(&'a self, form: &'a Form, target: &Target<'a>) -> Upstream<'a> {
        let changes = [(form.model, Some(target.model)), (form.user, target.user)];
        let edits = changes
            .into_iter()
            .filter_map(|(span, new)| {
                Some(Edit {
                    span: span?,
                    new: Cow::Borrowed(new?.as_bytes()),
                })
            })
            .collect();
        Upstream::edited(&self.body, edits).with_type(Cow::Borrowed(&form.content_type))
    }

    /// Puts another member where the model's is: the plain words `name` and `value`.
    fn put_in_place_of_model(
        &self,
        name: &str,
        value: &str,
        removed: usize,
        edits: &mut Vec<Edit<'_>>,
    ) {
        let (span, followed) = match self.model_value {
            Some(value) => (
                Span {
                    start: key_before(&self.body, value.start),
                    end: value.end,
                },
                false,
            ),
            None => {
                let inside = Span {
                    start: self.inside,
                    end: self.inside,
                };
                (inside, self.members > removed)
            }
        };
        let comma = if followed { "," } else { "" };
        edits.push(Edit {
            span,
            new: Cow::Owned(format!("\"{name}\":\"{value}\"{comma}").into_bytes()),
        });
    }

    fn put_model<'a>(&self, model: &'a str, removed: usize, edits: &mut Vec<Edit<'a>>) {
        let mut name = Vec::new();
        let new = if json::is_plain(model.as_bytes()) {
            Cow::Borrowed(model.as_bytes())
        } else {
            json::write_string_inside(model, &mut name);
            Cow::Owned(name)
        };
        match (self.model_value, &self.model) {
            // Only what stands between the quotes changes.
            (Some(span), Some(_)) => edits.push(Edit {
                span: Span {
                    start: span.start + 1,
                    end: span.end - 1,
                },
                new,
            }),
            (value, _) => {
                let (span, before, after): (Span, &[u8], &[u8]) = match value {
                    Some(null) => (null, b"\"", b"\""),
                    None => {
                        let span = Span {
                            start: self.inside,
                            end: self.inside,
                        };
                        let followed = self.members > removed;
                        (span, b"\"model\":\"", if followed { b"\"," } else { b"\"" })
                    }
                };
                let mut whole = Vec::with_capacity(before.len() + new.len() + after.len());
                whole.extend_from_slice(before);
                whole.extend_from_slice(&new);
                whole.extend_from_slice(after);
                edits.push(Edit {
                    span,
                    new: Cow::Owned(whole),
                });
            }
        }
    }

    fn ask_for_usage(&self, edits: &mut Vec<Edit<'_>>) {
        let at = |offset: usize| Span {
            start: offset,
            end: offset,
        };
        let (span, new): (Span, &'static [u8]) = match self.stream_options {
            StreamOptions::Leave => return,
            StreamOptions::Absent => (
                at(self.stream_end),
                b",\"stream_options\":{\"include_usage\":true}",
            ),
            StreamOptions::Replace(span) => (span, b"{\"include_usage\":true}"),
            StreamOptions::Insert(offset, true) => (at(offset), b"\"include_usage\":true,"),
            StreamOptions::Insert(offset, false) => (at(offset), b"\"include_usage\":true"),
            StreamOptions::Set(span) => (span, b"true"),
        };
        edits.push(Edit {
            span,
            new: Cow::Borrowed(new),
        });
    }
}

/// Where the key begins that a value has, which begins at `value`. The body is known to be an object, so before the value stand white
/// space and a colon, and before those a string; a quote inside it has a backslash before it.
fn key_before(body: &[u8], value: usize) -> usize {
    let before = body.get(..value).unwrap_or_default();
    let Some(closing) = memchr::memrchr(b'"', before) else {
        return value;
    };
    let key = before.get(..closing).unwrap_or_default();
    memchr::memrchr_iter(b'"', key)
        .find(|&quote| {
            let slashes = key.get(..quote).unwrap_or_default();
            slashes
                .iter()
                .rev()
                .take_while(|&&byte| byte == b'\\')
                .count()
                % 2
                == 0
        })
        .unwrap_or(value)
}

/// Makes `developer` the older word `system` in the roles of messages.
fn rename_developers(text: &str, edits: &mut Vec<Edit<'_>>) {
    let mut walker = Walker::new(text);
    // The body has been walked before, so that only the types of values can be others, and then there are no such roles.
    let _ = member::object(&mut walker, &Path::ROOT, |name, walker| {
        if name != "messages" || walker.peek() != Some(Kind::Array) {
            return member::skip(walker);
        }
        member::array(walker, &Path::ROOT, |_, walker| {
            if walker.peek() != Some(Kind::Object) {
                return member::skip(walker);
            }
            member::object(walker, &Path::ROOT, |name, walker| {
                let value = walker.value().map_err(member::malformed)?;
                if name == "role" && value.raw(text).as_bytes() == DEVELOPER {
                    edits.push(Edit {
                        span: value.span,
                        new: Cow::Borrowed(b"\"system\""),
                    });
                }
                Ok(())
            })
            .map(|_| ())
        })
        .map(|_| ())
    });
}
