//! A document in the only form in which every parser reads the same.

use std::borrow::Cow;

use super::{Kind, Malformed, Span, Walker, unescape, write_string};

/// How far [`canonical`] goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The members of the outermost object; what they hold stays byte for byte.
    Top,
    /// Every object in the document.
    Everywhere,
}

/// Rewrites a document into the form that every parser reads alike: each key once, with the value that a parser would keep
/// (the last), at the place where it was first, and with the fewest escapes. Strings, numbers and words stay as they were.
pub fn canonical(text: &str, reach: Reach) -> Result<String, Malformed> {
    let mut out = Vec::with_capacity(text.len());
    let mut walker = Walker::new(text);
    canonical_value(text, &mut walker, reach, true, &mut out)?;
    walker.finish()?;
    // Every piece that was written is a slice of a str or an escaped one, so this never fails; it is here to need no unsafe.
    String::from_utf8(out).map_err(|error| Malformed {
        offset: error.utf8_error().valid_up_to(),
        why: "the bytes are not UTF-8",
    })
}

fn canonical_value(
    text: &str,
    walker: &mut Walker<'_>,
    reach: Reach,
    top: bool,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let follow = top || reach == Reach::Everywhere;
    match walker.peek() {
        Some(Kind::Object) if follow => {
            let mut members: Vec<(Cow<'_, str>, Vec<u8>)> = Vec::new();
            let mut index = std::collections::HashMap::new();
            let mut more = walker.enter_object()?;
            while more {
                let key = walker.key()?;
                let name = if key.escaped {
                    let raw = Span {
                        start: key.start,
                        end: key.start + key.name.len() + 2,
                    };
                    unescape(raw.of(text))
                } else {
                    Cow::Borrowed(key.name)
                };
                let mut value = Vec::new();
                canonical_value(text, walker, reach, false, &mut value)?;
                match index.get(&name) {
                    Some(at) => {
                        let (_, kept): &mut (Cow<'_, str>, Vec<u8>) = &mut members[*at];
                        *kept = value;
                    }
                    None => {
                        index.insert(name.clone(), members.len());
                        members.push((name, value));
                    }
                }
                more = walker.next_member()?;
            }
            out.push(b'{');
            for (at, (name, value)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_string(name, out);
                out.push(b':');
                out.extend_from_slice(value);
            }
            out.push(b'}');
        }
        Some(Kind::Array) if follow => {
            out.push(b'[');
            let mut more = walker.enter_array()?;
            let mut first = true;
            while more {
                if !first {
                    out.push(b',');
                }
                first = false;
                canonical_value(text, walker, reach, false, out)?;
                more = walker.next_element()?;
            }
            out.push(b']');
        }
        _ => {
            let value = walker.value()?;
            out.extend_from_slice(value.raw(text).as_bytes());
        }
    }
    Ok(())
}
