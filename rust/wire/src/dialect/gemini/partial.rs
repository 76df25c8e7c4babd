//! Arguments of a call that are streamed leaf by leaf (`partialArgs`), as the JSON text that they amount to.
//!
//! Each piece names its place by a JSON path (`$.list[0].name`) and holds a string, a number, true, false or null; a string may go on in
//! the next piece. Places come in the order of the document, so containers are opened and closed on the way from one place to the
//! next, and nothing is held but the way to the last one.

use crate::dialect::gemini::typed::{Typed, Wrong};
use crate::json::{write_string, write_string_inside};

/// Deepest place that is followed; what is deeper is left out. Readers of JSON stop at about twice this.
const DEPTH_MAX: usize = 64;

/// The text so far, as far as it must be known to go on.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    begun: bool,
    /// The containers that are open inside the outermost one.
    open: Vec<Level>,
    /// The outermost one has a member.
    root_has_member: bool,
    /// The place of the string that goes on.
    string: Option<Step>,
}

#[derive(Debug)]
struct Level {
    step: Step,
    is_array: bool,
    has_member: bool,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Index(u64),
}

#[derive(Debug, Default)]
struct Piece<'a> {
    path: Vec<Step>,
    string: Option<std::borrow::Cow<'a, str>>,
    other: Option<&'a str>,
    will_continue: bool,
}

impl Arguments {
    /// Appends what a raw `partialArgs` adds.
    pub(super) fn add(&mut self, raw: &str, out: &mut Vec<u8>) -> Result<(), Wrong> {
        Typed::lenient(raw).array("partialArgs", |typed| {
            let mut piece = Piece::default();
            typed.object("partialArgs[]", |typed, key| {
                match key {
                    "jsonPath" | "json_path" => {
                        piece.path = steps(&typed.string("jsonPath")?.unwrap_or_default());
                    }
                    "stringValue" | "string_value" => piece.string = typed.string("stringValue")?,
                    "numberValue" | "number_value" | "boolValue" | "bool_value" => {
                        piece.other = typed.raw_text()?;
                    }
                    "nullValue" | "null_value" => {
                        typed.skip()?;
                        piece.other = Some("null");
                    }
                    "willContinue" | "will_continue" => {
                        piece.will_continue = typed.boolean("willContinue")?.unwrap_or(false);
                    }
                    _ => typed.skip()?,
                }
                Ok(())
            })?;
            self.piece(piece, out);
            Ok(())
        })?;
        Ok(())
    }

    /// Appends what closes the text.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.end_string(out);
        self.begin(out);
        self.close_to(0, out);
        out.push(b'}');
    }

    /// Bytes that are held.
    pub(super) fn held_bytes(&self) -> usize {
        self.open.capacity() * size_of::<Level>()
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            out.push(b'{');
        }
    }

    fn piece(&mut self, piece: Piece<'_>, out: &mut Vec<u8>) {
        let Some((leaf, containers)) = piece.path.split_last() else {
            return;
        };
        if containers.len() >= DEPTH_MAX {
            return;
        }
        let goes_on = self.string.as_ref() == Some(leaf)
            && containers.len() == self.open.len()
            && containers
                .iter()
                .eq(self.open.iter().map(|level| &level.step));
        if goes_on && let Some(text) = &piece.string {
            write_string_inside(text, out);
            if !piece.will_continue {
                self.end_string(out);
            }
            return;
        }
        self.end_string(out);
        self.begin(out);
        let common = containers
            .iter()
            .zip(&self.open)
            .take_while(|(step, level)| **step == level.step)
            .count();
        self.close_to(common, out);
        for (at, step) in piece.path.iter().enumerate().skip(common) {
            self.enter(step, out);
            // The step after a container tells what it is.
            let Some(next) = piece.path.get(at + 1) else {
                break;
            };
            let is_array = matches!(next, Step::Index(_));
            out.push(if is_array { b'[' } else { b'{' });
            self.open.push(Level {
                step: step.clone(),
                is_array,
                has_member: false,
            });
        }
        match (&piece.string, piece.other) {
            (Some(text), _) => {
                out.push(b'"');
                write_string_inside(text, out);
                self.string = Some(leaf.clone());
                if !piece.will_continue {
                    self.end_string(out);
                }
            }
            (None, other) => out.extend_from_slice(other.unwrap_or("null").as_bytes()),
        }
    }

    /// Writes what stands before a member of the innermost container.
    fn enter(&mut self, step: &Step, out: &mut Vec<u8>) {
        let (is_array, has_member) = match self.open.last_mut() {
            Some(level) => (level.is_array, &mut level.has_member),
            None => (false, &mut self.root_has_member),
        };
        if std::mem::replace(has_member, true) {
            out.push(b',');
        }
        if !is_array {
            match step {
                Step::Member(name) => write_string(name, out),
                Step::Index(index) => write_string(&index.to_string(), out),
            }
            out.push(b':');
        }
    }

    fn close_to(&mut self, depth: usize, out: &mut Vec<u8>) {
        while self.open.len() > depth
            && let Some(level) = self.open.pop()
        {
            out.push(if level.is_array { b']' } else { b'}' });
        }
    }

    fn end_string(&mut self, out: &mut Vec<u8>) {
        if self.string.take().is_some() {
            out.push(b'"');
        }
    }
}

/// The steps of a path: `$.a[0]['b c']`.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    while !rest.is_empty() && steps.len() <= DEPTH_MAX {
        if let Some(after) = rest.strip_prefix('[') {
            let (inside, after) = match after.chars().next() {
                Some(quote @ ('\'' | '"')) => {
                    let after = after.get(1..).unwrap_or_default();
                    let (inside, after) = after.split_once(quote).unwrap_or((after, ""));
                    steps.push(Step::Member(inside.to_owned()));
                    (None, after.strip_prefix(']').unwrap_or(after))
                }
                _ => {
                    let (inside, after) = after.split_once(']').unwrap_or((after, ""));
                    (Some(inside), after)
                }
            };
            if let Some(inside) = inside {
                steps.push(match inside.parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) => Step::Member(inside.to_owned()),
                });
            }
            rest = after;
            continue;
        }
        let name = rest.strip_prefix('.').unwrap_or(rest);
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let (name, after) = name.split_at_checked(end).unwrap_or((name, ""));
        if !name.is_empty() {
            steps.push(Step::Member(name.to_owned()));
        }
        rest = after;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pieces: &[&str]) -> String {
        let mut arguments = Arguments::default();
        let mut out = Vec::new();
        for raw in pieces {
            arguments.add(raw, &mut out).unwrap();
        }
        arguments.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn leaves_become_a_document() {
        let made = text(&[
            r#"[{"jsonPath":"$.a","stringValue":"x\"","willContinue":true}]"#,
            r#"[{"jsonPath":"$.a","stringValue":"y"}]"#,
            r#"[{"jsonPath":"$.b.c[0]","numberValue":1},{"jsonPath":"$.b.c[1].d","boolValue":true}]"#,
            r#"[{"jsonPath":"$['e f']","nullValue":"NULL_VALUE"}]"#,
        ]);
        assert_eq!(made, r#"{"a":"x\"y","b":{"c":[1,{"d":true}]},"e f":null}"#);
    }

    #[test]
    fn a_call_without_arguments_is_an_empty_object() {
        assert_eq!(text(&[]), "{}");
        assert_eq!(text(&["[]"]), "{}");
    }

    #[test]
    fn a_string_that_was_cut_is_closed() {
        let made = text(&[r#"[{"jsonPath":"$.a.b","stringValue":"x","willContinue":true}]"#]);
        assert_eq!(made, r#"{"a":{"b":"x"}}"#);
    }

    #[test]
    fn any_path_makes_a_document() {
        for path in [
            "",
            "$",
            "$[",
            "$['",
            "$.",
            "$..a",
            "$[0]",
            "a.b[",
            "$.a['b']x",
            "$[9999999999999999999999]",
        ] {
            let raw = format!(
                r#"[{{"jsonPath":{},"stringValue":"v"}}]"#,
                serde_json::json!(path)
            );
            let made = text(&[&raw]);
            assert!(
                serde_json::from_str::<serde_json::Value>(&made).is_ok(),
                "{path}: {made}"
            );
        }
    }
}
