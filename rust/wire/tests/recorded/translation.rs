//! Every recorded answer of every dialect becomes an answer of every API and says the same there; every recorded request of an API of ours
//! is accepted and becomes a request of every dialect.

use std::collections::BTreeMap;

use serde_json::Value;
use turnout_wire::answer::{self, Serving};
use turnout_wire::api::Api;
use turnout_wire::dialect::{Dialect, Target};
use turnout_wire::request::Request;
use turnout_wire::stream::{EofVerdict, StreamEditor, StreamFault, from_answer};

use crate::gist::Gist;
use crate::material::{Answered, material};

const APIS: [Api; 4] = [Api::Chat, Api::Responses, Api::Messages, Api::Gemini];

fn serving(api: Api, dialect: Dialect) -> Serving<'static> {
    Serving {
        api,
        dialect,
        // Gemini shows thoughts to those only who ask for them.
        asked: r#"{"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}"#,
        id: "gen-1-a",
        created: 5,
        now: || 9,
        model: "a/b",
        provider: "P",
        prices: None,
    }
}

fn compare(name: &str, api: Api, found: &Gist, expected: &Gist, wrong: &mut Vec<String>) {
    if found != expected {
        let parts = [
            (found.text == expected.text, "text"),
            (found.thought == expected.thought, "thought"),
            (found.calls == expected.calls, "calls"),
        ];
        let differ: Vec<&str> = parts
            .iter()
            .filter(|(same, _)| !same)
            .map(|(_, part)| *part)
            .collect();
        wrong.push(format!(
            "{} in {name} for {}:\n  found    {found:?}\n  expected {expected:?}",
            differ.join(" and "),
            api.name()
        ));
    }
}

#[test]
fn answers_say_the_same_in_every_api() {
    let Some(material) = material() else {
        return;
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for answered in material.answered.iter().filter(|answered| !answered.stream) {
        let value: Value = serde_json::from_slice(&answered.body).unwrap();
        if is_no_answer(&value) {
            continue;
        }
        let expected = Gist::of(answered.dialect, &value);
        let mut any = false;
        for api in APIS {
            let serving = serving(api, answered.dialect);
            let mut out = Vec::new();
            let facts = match answer::edit(&answered.body, &serving, 100, &mut out) {
                Ok(facts) => facts,
                Err(fault) => {
                    wrong.push(format!("{} for {}: {fault}", answered.name, api.name()));
                    continue;
                }
            };
            any = true;
            let written: Value = match serde_json::from_slice(&out) {
                Ok(written) => written,
                Err(error) => {
                    wrong.push(format!("{} for {}: {error}", answered.name, api.name()));
                    continue;
                }
            };
            let found = Gist::of(api.home(), &written);
            compare(&answered.name, api, &found, &expected, &mut wrong);
            // One recorded answer counts nothing.
            if facts.usage.total == 0 && value["usage"]["total_tokens"] != 0 {
                wrong.push(format!("{} for {}: no usage", answered.name, api.name()));
            }
            let mut events = Vec::new();
            if let Err(fault) = from_answer(&answered.body, &serving, 100, &mut events) {
                wrong.push(format!(
                    "{} streamed for {}: {fault}",
                    answered.name,
                    api.name()
                ));
                continue;
            }
            let events = String::from_utf8(events).unwrap();
            let found = Gist::of_stream(api, &events);
            compare(&answered.name, api, &found, &expected, &mut wrong);
        }
        *counts.entry(answered.dialect.name()).or_default() += usize::from(any);
    }
    println!("recorded answers translated to every API: {counts:?}");
    assert!(wrong.is_empty(), "{}", report(&wrong));
    assert!(!counts.is_empty(), "no recorded answer was found");
}

/// Recorded bodies with a good status and nothing in them: a prompt that a filter stopped, an answer still in the making.
fn is_no_answer(value: &Value) -> bool {
    value["candidates"].as_array().is_none_or(Vec::is_empty)
        && value.get("promptFeedback").is_some()
        || matches!(value["status"].as_str(), Some("in_progress" | "queued"))
}

fn report(wrong: &[String]) -> String {
    format!(
        "{} are wrong, of which the first:\n{}",
        wrong.len(),
        wrong
            .iter()
            .take(12)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    )
}

/// Reads a stream in pieces of a size and ends it.
fn translated(
    answered: &Answered,
    api: Api,
    size: usize,
) -> Result<(String, u64), Result<EofVerdict, StreamFault>> {
    let serving = serving(api, answered.dialect);
    let mut editor = StreamEditor::new(&serving, 1 << 22);
    let mut out = Vec::new();
    for piece in answered.body.chunks(size) {
        editor.push(piece, &serving, &mut out).map_err(Err)?;
    }
    match editor.eof(&serving, &mut out) {
        Ok(EofVerdict::Complete) => {}
        other => return Err(other),
    }
    let facts = editor.end(&serving, 100, &mut out);
    Ok((String::from_utf8(out).unwrap(), facts.usage.total))
}

#[test]
fn streams_say_the_same_in_every_api() {
    let Some(material) = material() else {
        return;
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut faults: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for answered in material.answered.iter().filter(|answered| answered.stream) {
        // Two streams that were put into each other by hand, to see what a client does with that.
        if answered.name.contains("spliced-message-start") {
            continue;
        }
        let mut expected: Option<Gist> = None;
        for api in APIS {
            match translated(answered, api, usize::MAX) {
                Ok((events, tokens)) => {
                    let found = Gist::of_stream(api, &events);
                    match &expected {
                        // Arguments in pieces, by path: where they pass, the gist's reader does not put them together.
                        Some(_) if api == Api::Gemini && events.contains("partialArgs") => {}
                        Some(expected) => {
                            compare(&answered.name, api, &found, expected, &mut wrong);
                        }
                        None => expected = Some(found),
                    }
                    if tokens == 0 {
                        wrong.push(format!("{} for {}: no usage", answered.name, api.name()));
                    }
                    if translated(answered, api, 97) != Ok((events, tokens)) {
                        wrong.push(format!(
                            "{} for {}: depends on reads",
                            answered.name,
                            api.name()
                        ));
                    }
                }
                // Streams that hold an error, and such as the recording cut.
                Err(Err(StreamFault::ErrorInside { .. }) | Ok(EofVerdict::Cut)) => {
                    let what = format!("{} for {}", answered.dialect.name(), api.name());
                    *faults.entry(what).or_default() += 1;
                }
                Err(fault) => {
                    wrong.push(format!("{} for {}: {fault:?}", answered.name, api.name()))
                }
            }
        }
        *counts.entry(answered.dialect.name()).or_default() += usize::from(expected.is_some());
    }
    println!(
        "recorded streams translated to every API: {counts:?}; ended badly as recorded: {faults:?}"
    );
    assert!(wrong.is_empty(), "{}", report(&wrong));
    assert!(!counts.is_empty(), "no recorded stream was found");
}

#[test]
fn requests_are_accepted() {
    let Some(material) = material() else {
        return;
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for asked in &material.asked {
        let read = match asked.api.model_in_path() {
            true => Request::read_beside_path(
                asked.body.clone(),
                asked.api,
                "a/b".to_owned(),
                asked.stream,
            ),
            false => Request::read(asked.body.clone(), asked.api),
        };
        let request = match read {
            Ok(request) => request,
            Err(refusal) if is_stateful(&asked.body) => {
                *refused.entry(refusal.message.into_owned()).or_default() += 1;
                continue;
            }
            Err(refusal) => {
                wrong.push(format!("{}: {}", asked.name, refusal.message));
                continue;
            }
        };
        *counts.entry(asked.api.name()).or_default() += 1;
        for dialect in Dialect::ALL {
            let target = Target {
                completion_tokens_max: Some(64_000),
                ..Target::new(dialect, "up/m")
            };
            let mut out = Vec::new();
            match request.upstream(&target) {
                Ok(upstream) => upstream.write_to(&mut out),
                // What a protocol has no word for is refused with this sentence and no other.
                Err(refusal) if refusal.message.contains("has no word for it") => {
                    let what = refusal.message.split('`').nth(1).unwrap_or_default();
                    let key = format!("{what} to {}", dialect.name());
                    *refused.entry(key).or_default() += 1;
                    continue;
                }
                Err(refusal) if is_stateful(&asked.body) || says_nothing(&asked.body) => {
                    *refused.entry(refusal.message.into_owned()).or_default() += 1;
                    continue;
                }
                Err(refusal) => {
                    wrong.push(format!(
                        "{} to {}: {}",
                        asked.name,
                        dialect.name(),
                        refusal.message
                    ));
                    continue;
                }
            }
            if let Err(error) = serde_json::from_slice::<Value>(&out) {
                wrong.push(format!("{} to {}: {error}", asked.name, dialect.name()));
            }
        }
    }
    println!("recorded requests accepted: {counts:?}; what could not be said: {refused:#?}");
    assert!(wrong.is_empty(), "{}", report(&wrong));
    assert!(!counts.is_empty(), "no recorded request was found");
}

/// Whether all that a request for Gemini says is an empty text, which is left to the provider where it passes (the recorded one answers
/// it) and is nothing that could be translated.
fn says_nothing(body: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut contents = value["contents"].as_array().into_iter().flatten();
    let is_empty = |part: &Value| part == &serde_json::json!({"text": ""});
    value.get("contents").is_some()
        && contents.all(|content| {
            content["parts"]
                .as_array()
                .is_none_or(|parts| parts.iter().all(is_empty))
        })
}

/// Whether a request builds on what OpenAI keeps between requests, which nobody else does (checklist B02).
fn is_stateful(body: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return false;
    };
    let refers = |item: &Value| item["type"] == "item_reference";
    value["store"] == true
        || value["background"] == true
        || !value["previous_response_id"].is_null()
        || !value["conversation"].is_null()
        || value["input"]
            .as_array()
            .is_some_and(|items| items.iter().any(refers))
}
