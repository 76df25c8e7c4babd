//! Google's OpenAPI subset of schemas as JSON Schema, which every other protocol speaks.
//!
//! `parameters` and `responseSchema` have types in capitals, `nullable`, bounds that are written as strings (they are 64-bit numbers
//! of protocol buffers), `example`, and `propertyOrdering`. Names may come in both spellings.

use serde_json::value::RawValue;

use crate::dialect::gemini::typed::{Typed, Wrong};
use crate::json::{Kind, write_string};

/// The same schema as JSON Schema. `None`: it is null.
pub(super) fn converted(schema: &RawValue) -> Option<Box<RawValue>> {
    let mut out = Vec::with_capacity(schema.get().len());
    convert(&mut Typed::lenient(schema.get()), &mut out).ok()?;
    RawValue::from_string(String::from_utf8(out).ok()?).ok()
}

fn convert(typed: &mut Typed<'_>, out: &mut Vec<u8>) -> Result<(), Wrong> {
    if typed.peek() != Some(Kind::Object) {
        return typed.copy(out);
    }
    let raw = typed.raw_text()?.unwrap_or("{}");
    let nullable = nullable(raw)?;
    out.push(b'{');
    let mut comma = false;
    Typed::lenient(raw).object("schema", |typed, key| {
        let name = match key {
            "any_of" => "anyOf",
            "max_items" => "maxItems",
            "min_items" => "minItems",
            "max_length" => "maxLength",
            "min_length" => "minLength",
            "max_properties" => "maxProperties",
            "min_properties" => "minProperties",
            "example" => "examples",
            "nullable" | "propertyOrdering" | "property_ordering" => return typed.skip(),
            other => other,
        };
        let (mark, comma_before) = (out.len(), comma);
        if std::mem::replace(&mut comma, true) {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        match name {
            "type" if typed.peek() == Some(Kind::Plain) => {
                let word = typed
                    .string("type")?
                    .unwrap_or_default()
                    .to_ascii_lowercase();
                if word == "type_unspecified" {
                    out.truncate(mark);
                    comma = comma_before;
                    return Ok(());
                }
                if nullable {
                    out.push(b'[');
                }
                write_string(&word, out);
                if nullable {
                    out.extend_from_slice(b",\"null\"]");
                }
            }
            "properties" | "$defs" | "defs" => by_name(typed, out)?,
            "items" | "additionalProperties" => convert(typed, out)?,
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => {
                list(typed, out)?;
                if nullable && name == "anyOf" {
                    // Beside a type that allows null the choice has to allow it too.
                    out.pop();
                    let empty = out.last() == Some(&b'[');
                    out.extend_from_slice(if empty { b"" } else { b"," });
                    out.extend_from_slice(b"{\"type\":\"null\"}]");
                }
            }
            "enum" if nullable => {
                let values = typed.raw_text()?.unwrap_or("[]");
                let inside = values.strip_suffix(']').unwrap_or(values);
                out.extend_from_slice(inside.as_bytes());
                let empty = inside.trim_ascii() == "[";
                out.extend_from_slice(if empty { b"null]" } else { b",null]" });
            }
            "maxItems" | "minItems" | "maxLength" | "minLength" | "maxProperties"
            | "minProperties" => match typed.peek() {
                Some(Kind::Plain) => {
                    let digits = typed.string("bound")?.unwrap_or_default();
                    let is_number =
                        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                    let number = digits.trim_start_matches('0');
                    out.extend_from_slice(match (is_number, number) {
                        (true, "") | (false, _) => b"0",
                        (true, number) => number.as_bytes(),
                    });
                }
                _ => typed.copy(out)?,
            },
            "examples" if key == "example" => {
                out.push(b'[');
                typed.copy(out)?;
                out.push(b']');
            }
            _ => typed.copy(out)?,
        }
        Ok(())
    })?;
    out.push(b'}');
    Ok(())
}

/// Whether the object says `nullable: true` of itself.
fn nullable(raw: &str) -> Result<bool, Wrong> {
    let mut nullable = false;
    Typed::lenient(raw).object("schema", |typed, key| {
        match key {
            "nullable" => nullable = typed.boolean("nullable")?.unwrap_or(false),
            _ => typed.skip()?,
        }
        Ok(())
    })?;
    Ok(nullable)
}

fn by_name(typed: &mut Typed<'_>, out: &mut Vec<u8>) -> Result<(), Wrong> {
    if typed.peek() != Some(Kind::Object) {
        return typed.copy(out);
    }
    out.push(b'{');
    let mut comma = false;
    typed.object("properties", |typed, key| {
        if std::mem::replace(&mut comma, true) {
            out.push(b',');
        }
        write_string(key, out);
        out.push(b':');
        convert(typed, out)
    })?;
    out.push(b'}');
    Ok(())
}

fn list(typed: &mut Typed<'_>, out: &mut Vec<u8>) -> Result<(), Wrong> {
    if typed.peek() != Some(Kind::Array) {
        return typed.copy(out);
    }
    out.push(b'[');
    let mut comma = false;
    typed.array("anyOf", |typed| {
        if std::mem::replace(&mut comma, true) {
            out.push(b',');
        }
        convert(typed, out)
    })?;
    out.push(b']');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(schema: &str) -> String {
        let raw: &RawValue = serde_json::from_str(schema).unwrap();
        converted(raw).unwrap().get().to_owned()
    }

    #[test]
    fn types_are_lower_case_and_null_is_a_type() {
        assert_eq!(
            of(
                r#"{"type":"OBJECT","properties":{"type":{"type":"STRING","nullable":true,"enum":["a"]},"n":{"type":"INTEGER","format":"int32"}},"propertyOrdering":["type"],"required":["type"]}"#
            ),
            r#"{"type":"object","properties":{"type":{"type":["string","null"],"enum":["a",null]},"n":{"type":"integer","format":"int32"}},"required":["type"]}"#
        );
    }

    #[test]
    fn bounds_are_numbers_and_examples_a_list() {
        assert_eq!(
            of(
                r#"{"type":"ARRAY","items":{"type":"NUMBER"},"min_items":"1","maxItems":"007","example":[1]}"#
            ),
            r#"{"type":"array","items":{"type":"number"},"minItems":1,"maxItems":7,"examples":[[1]]}"#
        );
    }

    #[test]
    fn a_choice_that_may_be_null_says_so() {
        assert_eq!(
            of(
                r#"{"type":"TYPE_UNSPECIFIED","nullable":true,"anyOf":[{"type":"STRING"},{"type":"NUMBER"}]}"#
            ),
            r#"{"anyOf":[{"type":"string"},{"type":"number"},{"type":"null"}]}"#
        );
        assert_eq!(
            of(r#"{"anyOf":[],"nullable":true}"#),
            r#"{"anyOf":[{"type":"null"}]}"#
        );
    }

    #[test]
    fn json_schema_stays_json_schema() {
        let schema = r#"{"type":["string","null"],"additionalProperties":false}"#;
        assert_eq!(of(schema), schema);
    }
}
