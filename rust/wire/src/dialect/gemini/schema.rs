//! JSON Schema as Gemini takes it.
//!
//! `parametersJsonSchema` and `responseJsonSchema` take whole schemas and follow the keywords that their reference lists; others are
//! read over. So a schema passes as it is but for what would be refused or lost: `$schema` and `$comment` go, and `const`, which is
//! not in the list, becomes an `enum` of one, which is.

use crate::dialect::gemini::typed::{Typed, Wrong};
use crate::json::{Kind, write_string};

/// Appends the schema. What is not valid JSON cannot come here: the request was walked before.
pub(super) fn write(schema: &str, out: &mut Vec<u8>) {
    let whole = schema.as_bytes();
    let mark = out.len();
    let touched = [&b"\"$schema\""[..], b"\"$comment\"", b"\"const\"", b"\\u00"]
        .iter()
        .any(|word| memchr::memmem::find(whole, word).is_some());
    if !touched || rewrite(&mut Typed::lenient(schema), out).is_err() {
        out.truncate(mark);
        out.extend_from_slice(whole);
    }
}

fn rewrite(typed: &mut Typed<'_>, out: &mut Vec<u8>) -> Result<(), Wrong> {
    match typed.peek() {
        Some(Kind::Object) => members(typed, out, |typed, key, out| {
            match key {
                "$schema" | "$comment" => {
                    typed.skip()?;
                    return Ok(false);
                }
                "const" => {
                    out.extend_from_slice(b"\"enum\":[");
                    typed.copy(out)?;
                    out.push(b']');
                    return Ok(true);
                }
                _ => {}
            }
            write_string(key, out);
            out.push(b':');
            match key {
                "properties" | "$defs" | "definitions" | "patternProperties"
                | "dependentSchemas" => schemas_by_name(typed, out)?,
                "items"
                | "prefixItems"
                | "anyOf"
                | "oneOf"
                | "allOf"
                | "not"
                | "contains"
                | "additionalProperties"
                | "propertyNames"
                | "if"
                | "then"
                | "else" => {
                    rewrite(typed, out)?;
                }
                _ => typed.copy(out)?,
            }
            Ok(true)
        }),
        Some(Kind::Array) => {
            out.push(b'[');
            let mut any = false;
            typed.array("schema", |typed| {
                if std::mem::replace(&mut any, true) {
                    out.push(b',');
                }
                rewrite(typed, out)
            })?;
            out.push(b']');
            Ok(())
        }
        _ => typed.copy(out),
    }
}

/// Names of properties are no keywords.
fn schemas_by_name(typed: &mut Typed<'_>, out: &mut Vec<u8>) -> Result<(), Wrong> {
    if typed.peek() != Some(Kind::Object) {
        return typed.copy(out);
    }
    members(typed, out, |typed, key, out| {
        write_string(key, out);
        out.push(b':');
        rewrite(typed, out)?;
        Ok(true)
    })
}

/// Appends an object whose members `each` writes; false from it: nothing was written.
fn members<'a>(
    typed: &mut Typed<'a>,
    out: &mut Vec<u8>,
    mut each: impl FnMut(&mut Typed<'a>, &str, &mut Vec<u8>) -> Result<bool, Wrong>,
) -> Result<(), Wrong> {
    out.push(b'{');
    let mut comma = false;
    typed.object("schema", |typed, key| {
        let mark = out.len();
        if comma {
            out.push(b',');
        }
        match each(typed, key, out)? {
            true => comma = true,
            false => out.truncate(mark),
        }
        Ok(())
    })?;
    out.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(schema: &str) -> String {
        let mut out = Vec::new();
        write(schema, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_schema_without_strange_words_keeps_its_bytes() {
        let schema = r#"{ "type": "object", "properties": {"a": {"type":["string","null"]}} }"#;
        assert_eq!(written(schema), schema);
    }

    #[test]
    fn a_constant_is_an_enum_of_one() {
        assert_eq!(
            written(
                r#"{"$schema":"x","type":"object","properties":{"const":{"const":"a"},"b":{"anyOf":[{"const":1},true]}},"$comment":"y"}"#
            ),
            r#"{"type":"object","properties":{"const":{"enum":["a"]},"b":{"anyOf":[{"enum":[1]},true]}}}"#
        );
    }

    #[test]
    fn literals_are_not_looked_into() {
        let schema = r#"{"default":{"const":1},"enum":[{"$schema":"x"}],"const":null}"#;
        assert_eq!(
            written(schema),
            r#"{"default":{"const":1},"enum":[{"$schema":"x"}],"enum":[null]}"#
        );
    }
}
