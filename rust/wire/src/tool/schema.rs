//! Whether a value fits a JSON schema of draft 7, as far as models are asked for one.
//!
//! Checked are `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`, the bounds of numbers, strings, arrays and
//! objects, `allOf`, `anyOf`, `oneOf`, `not`, and `$ref` within the document. What is not among them (`pattern`, `format`, `if`), or is not well
//! formed, takes anything: a schema that cannot be understood must not make a model look bad. A library that knows all of draft 7 costs two
//! megabytes of code and compiles each schema anew for each request; what it would find more is not worth that here.

use serde_json::Value;

/// Deeper than this nothing is looked at, whether it is the value or a schema that refers to itself.
const DEPTH_MAX: u32 = 64;
/// Most steps for one value: alternatives inside alternatives multiply.
const STEPS_MAX: u32 = 20_000;

/// Whether `value` fits.
pub(super) fn fits(schema: &Value, value: &Value) -> bool {
    let mut check = Check {
        root: schema,
        steps: 0,
    };
    check.fits(schema, value, 0)
}

struct Check<'a> {
    root: &'a Value,
    steps: u32,
}

impl<'a> Check<'a> {
    fn fits(&mut self, schema: &'a Value, value: &Value, depth: u32) -> bool {
        self.steps += 1;
        if depth > DEPTH_MAX || self.steps > STEPS_MAX {
            return true;
        }
        let members = match schema {
            Value::Bool(any) => return *any,
            Value::Object(members) => members,
            _ => return true,
        };
        // In draft 7 nothing beside a reference counts.
        if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
            return match reference
                .strip_prefix('#')
                .and_then(|at| self.root.pointer(at))
            {
                Some(schema) => self.fits(schema, value, depth + 1),
                None => true,
            };
        }
        members
            .iter()
            .all(|(keyword, rule)| self.keyword(members, keyword, rule, value, depth + 1))
    }

    fn keyword(
        &mut self,
        schema: &'a serde_json::Map<String, Value>,
        keyword: &str,
        rule: &'a Value,
        value: &Value,
        depth: u32,
    ) -> bool {
        match keyword {
            "type" => match rule {
                Value::String(name) => is_of(name, value),
                Value::Array(names) => names
                    .iter()
                    .filter_map(Value::as_str)
                    .any(|name| is_of(name, value)),
                _ => true,
            },
            "enum" => rule
                .as_array()
                .is_none_or(|any| any.iter().any(|one| same(one, value))),
            "const" => same(rule, value),
            "allOf" => rule
                .as_array()
                .is_none_or(|all| all.iter().all(|schema| self.fits(schema, value, depth))),
            "anyOf" => rule
                .as_array()
                .is_none_or(|any| any.iter().any(|schema| self.fits(schema, value, depth))),
            "oneOf" => rule.as_array().is_none_or(|any| {
                any.iter()
                    .filter(|schema| self.fits(schema, value, depth))
                    .count()
                    == 1
            }),
            "not" => !self.fits(rule, value, depth),
            _ => match value {
                Value::Object(members) => self.object(schema, keyword, rule, members, depth),
                Value::Array(items) => match keyword {
                    "items" => match rule {
                        Value::Array(each) => items
                            .iter()
                            .zip(each)
                            .all(|(item, schema)| self.fits(schema, item, depth)),
                        _ => items.iter().all(|item| self.fits(rule, item, depth)),
                    },
                    "minItems" => bound(rule, items.len()).is_none_or(|order| order.is_ge()),
                    "maxItems" => bound(rule, items.len()).is_none_or(|order| order.is_le()),
                    _ => true,
                },
                Value::String(text) => match keyword {
                    "minLength" => {
                        bound(rule, text.chars().count()).is_none_or(|order| order.is_ge())
                    }
                    "maxLength" => {
                        bound(rule, text.chars().count()).is_none_or(|order| order.is_le())
                    }
                    _ => true,
                },
                Value::Number(number) => match (number.as_f64(), rule.as_f64()) {
                    (Some(number), Some(rule)) => match keyword {
                        "minimum" => number >= rule,
                        "maximum" => number <= rule,
                        "exclusiveMinimum" => number > rule,
                        "exclusiveMaximum" => number < rule,
                        _ => true,
                    },
                    _ => true,
                },
                _ => true,
            },
        }
    }

    fn object(
        &mut self,
        schema: &'a serde_json::Map<String, Value>,
        keyword: &str,
        rule: &'a Value,
        members: &serde_json::Map<String, Value>,
        depth: u32,
    ) -> bool {
        match keyword {
            "required" => rule.as_array().is_none_or(|names| {
                names
                    .iter()
                    .filter_map(Value::as_str)
                    .all(|name| members.contains_key(name))
            }),
            "properties" => rule.as_object().is_none_or(|schemas| {
                schemas.iter().all(|(name, schema)| {
                    members
                        .get(name)
                        .is_none_or(|member| self.fits(schema, member, depth))
                })
            }),
            "additionalProperties" if !schema.contains_key("patternProperties") => {
                let named = schema.get("properties").and_then(Value::as_object);
                members
                    .iter()
                    .filter(|(name, _)| named.is_none_or(|named| !named.contains_key(*name)))
                    .all(|(_, member)| self.fits(rule, member, depth))
            }
            "minProperties" => bound(rule, members.len()).is_none_or(|order| order.is_ge()),
            "maxProperties" => bound(rule, members.len()).is_none_or(|order| order.is_le()),
            _ => true,
        }
    }
}

/// How a size compares with a bound, if that is one.
fn bound(rule: &Value, size: usize) -> Option<std::cmp::Ordering> {
    rule.as_u64().map(|bound| (size as u64).cmp(&bound))
}

/// Whether two values are the same; numbers by what they are worth.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64() == other.as_f64()
        }
        _ => one == other,
    }
}

/// Whether a value is of a type. Gemini writes types in capitals. A type that there is not takes anything.
fn is_of(name: &str, value: &Value) -> bool {
    match name.to_ascii_lowercase().as_str() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn r32_schemas_of_draft_seven() {
        for (schema, good, bad) in [
            (json!({"type":"string"}), json!("a"), json!(1)),
            (json!({"type":["string","null"]}), json!(null), json!(1)),
            (json!({"type":"integer"}), json!(1.0), json!(1.5)),
            (json!({"type":"OBJECT"}), json!({}), json!([])),
            (json!({"enum":["a",2]}), json!(2.0), json!("b")),
            (json!({"const":{"a":1}}), json!({"a":1}), json!({"a":2})),
            (json!({"required":["a"]}), json!({"a":null}), json!({"b":1})),
            (
                json!({"properties":{"a":{"type":"number"}}}),
                json!({"b":"x"}),
                json!({"a":"x"}),
            ),
            (
                json!({"properties":{"a":true},"additionalProperties":false}),
                json!({"a":1}),
                json!({"b":1}),
            ),
            (
                json!({"additionalProperties":{"type":"string"}}),
                json!({"b":"x"}),
                json!({"b":1}),
            ),
            (
                json!({"items":{"type":"string"}}),
                json!(["a"]),
                json!(["a", 1]),
            ),
            (
                json!({"items":[{"type":"string"}]}),
                json!(["a", 1]),
                json!([1]),
            ),
            (json!({"minItems":1,"maxItems":2}), json!([1]), json!([])),
            (json!({"minLength":2}), json!("äö"), json!("ä")),
            (json!({"maxLength":2}), json!("äö"), json!("äöü")),
            (
                json!({"minimum":1,"exclusiveMaximum":2}),
                json!(1),
                json!(2),
            ),
            (
                json!({"maximum":1,"exclusiveMinimum":0}),
                json!(1),
                json!(0),
            ),
            (
                json!({"minProperties":1,"maxProperties":1}),
                json!({"a":1}),
                json!({}),
            ),
            (
                json!({"anyOf":[{"type":"string"},{"type":"null"}]}),
                json!("a"),
                json!(1),
            ),
            (
                json!({"allOf":[{"minimum":1},{"maximum":3}]}),
                json!(2),
                json!(4),
            ),
            (
                json!({"oneOf":[{"minimum":1},{"maximum":3}]}),
                json!(4),
                json!(2),
            ),
            (json!({"not":{"type":"string"}}), json!(1), json!("a")),
            (
                json!({"$ref":"#/$defs/n","$defs":{"n":{"type":"number"}}}),
                json!(1),
                json!("a"),
            ),
            (
                json!({"items":{"$ref":"#"},"type":"array"}),
                json!([[[]]]),
                json!([[1]]),
            ),
            (json!(true), json!(1), json!(null)),
        ] {
            assert!(fits(&schema, &good), "{good} fits {schema}");
            if schema != json!(true) {
                assert!(!fits(&schema, &bad), "{bad} does not fit {schema}");
            }
        }
        assert!(!fits(&json!(false), &json!(1)));
    }

    #[test]
    fn r32_what_is_not_understood_takes_anything() {
        for schema in [
            json!(7),
            json!({"type":"date"}),
            json!({"type":7,"required":"a","enum":1,"minimum":"x"}),
            json!({"$ref":"https://example.com/schema"}),
            json!({"pattern":"^a$","format":"date"}),
        ] {
            assert!(fits(&schema, &json!({"b":[1]})), "{schema}");
        }
    }

    #[test]
    fn a_schema_that_never_ends_is_given_up() {
        assert!(fits(&json!({"$ref":"#"}), &json!(1)));
        let twice = json!({"anyOf":[{"$ref":"#"},{"$ref":"#"}],"not":{"$ref":"#"}});
        let _ = fits(&twice, &json!(1));
    }
}
