//! Members and elements of what a provider sends: a value of another type than expected is as good as absent.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::{self, Kind, Malformed, Span, Value, Walker};

/// Calls `each` at every member's value, which it must read; a value that is no object has no members.
pub(crate) fn each_member<'a, E: From<Malformed>>(
    walker: &mut Walker<'a>,
    mut each: impl FnMut(&mut Walker<'a>, &str) -> Result<(), E>,
) -> Result<(), E> {
    if walker.peek() != Some(Kind::Object) {
        walker.value()?;
        return Ok(());
    }
    let mut more = walker.enter_object()?;
    while more {
        let name = name(walker)?;
        each(walker, &name)?;
        more = walker.next_member()?;
    }
    Ok(())
}

/// Calls `each` at every element, which it must read; a value that is no array has no elements.
pub(crate) fn each_element<'a, E: From<Malformed>>(
    walker: &mut Walker<'a>,
    mut each: impl FnMut(&mut Walker<'a>) -> Result<(), E>,
) -> Result<(), E> {
    if walker.peek() != Some(Kind::Array) {
        walker.value()?;
        return Ok(());
    }
    let mut more = walker.enter_array()?;
    while more {
        each(walker)?;
        more = walker.next_element()?;
    }
    Ok(())
}

/// Reads a value; its text when it is a string.
pub(crate) fn string<'a>(walker: &mut Walker<'a>) -> Result<Option<Cow<'a, str>>, Malformed> {
    let value = walker.value()?;
    Ok(value.string(walker.text()))
}

/// Reads a value of any kind but null, as it stands.
pub(crate) fn raw<'a>(walker: &mut Walker<'a>) -> Result<Option<&'a RawValue>, Malformed> {
    let value = walker.value()?;
    match value.kind {
        Kind::Null => Ok(None),
        _ => raw_of(walker.text(), &value).map(Some),
    }
}

/// A key, decoded.
pub(super) fn name<'a>(walker: &mut Walker<'a>) -> Result<Cow<'a, str>, Malformed> {
    let key = walker.key()?;
    Ok(match key.escaped {
        false => Cow::Borrowed(key.name),
        true => {
            let quoted = Span {
                start: key.start,
                end: key.start + key.name.len() + 2,
            };
            json::unescape(quoted.of(walker.text()))
        }
    })
}

pub(super) fn raw_of<'a>(text: &'a str, value: &Value) -> Result<&'a RawValue, Malformed> {
    // The walker accepts what the parser accepts, so this does not fail.
    serde_json::from_str(value.raw(text)).map_err(|_| Malformed {
        offset: value.span.start,
        why: "expected a value",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenient_reading_passes_over_other_types() {
        let mut walker = Walker::new(r#"[1,{"a":null,"b":"c"},[2]]"#);
        let mut found = Vec::new();
        each_element(&mut walker, |walker| {
            each_member(walker, |walker, name| {
                found.push((name.to_owned(), string(walker)?));
                Ok::<(), Malformed>(())
            })
        })
        .unwrap();
        assert!(walker.finish().is_ok());
        assert_eq!(
            found,
            [
                ("a".to_owned(), None),
                ("b".to_owned(), Some(Cow::Borrowed("c")))
            ]
        );
    }
}
