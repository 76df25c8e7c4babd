//! What was recorded, as requests and answers whose dialects are known.
//!
//! Two collections are read: cassettes (YAML; a request, then its answer, told apart by their paths), and bare bodies (JSON, and one JSON
//! chunk per line), told apart by what they hold. What belongs to none of our protocols is not given: uploads, pages, images, counts,
//! batches, and answers with an error's status.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use turnout_wire::api::Api;
use turnout_wire::dialect::Dialect;

/// A recorded request of one of our APIs.
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) api: Api,
    pub(crate) stream: bool,
    pub(crate) body: Vec<u8>,
}

/// A recorded answer of one of our dialects.
pub(crate) struct Answered {
    pub(crate) name: String,
    pub(crate) dialect: Dialect,
    pub(crate) stream: bool,
    pub(crate) body: Vec<u8>,
}

/// Everything of use that was recorded.
#[derive(Default)]
pub(crate) struct Material {
    pub(crate) asked: Vec<Asked>,
    pub(crate) answered: Vec<Answered>,
}

/// Everything, read once for all tests; `None` when nothing is at hand.
pub(crate) fn material() -> Option<&'static Material> {
    static MATERIAL: OnceLock<Option<Material>> = OnceLock::new();
    MATERIAL.get_or_init(read).as_ref()
}

fn read() -> Option<Material> {
    let files = crate::recorded()?;
    let mut material = Material::default();
    for path in &files {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("yaml") => cassette(path, &mut material),
            Some("json") => body(path, &mut material),
            Some("txt") => chunks(path, &mut material),
            _ => {}
        }
    }
    Some(material)
}

fn cassette(path: &Path, material: &mut Material) {
    let text = fs::read_to_string(path).unwrap();
    let cassette: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let interactions = cassette
        .get("interactions")
        .and_then(|list| list.as_sequence());
    for (index, interaction) in interactions.into_iter().flatten().enumerate() {
        let name = format!("{} #{index}", path.display());
        let request = &interaction["request"];
        let response = &interaction["response"];
        let uri = request["uri"].as_str().unwrap_or_default();
        let Some((dialect, api)) = protocol_of(uri) else {
            continue;
        };
        let asked = bytes_of(request);
        if let (Some(api), Some(body)) = (api, &asked) {
            material.asked.push(Asked {
                name: name.clone(),
                api,
                stream: uri.contains("streamGenerateContent"),
                body: body.clone(),
            });
        }
        let good = response["status"]["code"].as_u64() == Some(200);
        if let (true, Some(body)) = (good, bytes_of(response)) {
            // The reader of cassettes drops the mark of what is kept in base64; only binary streams are.
            let body = match dialect == Dialect::Bedrock && !body.starts_with(b"{") {
                true => decoded(&String::from_utf8(body).unwrap()),
                false => body,
            };
            let start = body.trim_ascii_start();
            material.answered.push(Answered {
                name,
                dialect,
                stream: !start.starts_with(b"{") && !start.starts_with(b"["),
                body,
            });
        }
    }
}

/// The dialect that a path belongs to, and the API, if clients of ours ask for it.
fn protocol_of(uri: &str) -> Option<(Dialect, Option<Api>)> {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let ends = |end: &str| path.ends_with(end);
    Some(if ends("/chat/completions") {
        (Dialect::OpenAi, Some(Api::Chat))
    } else if ends("/v1/completions") {
        (Dialect::OpenAi, Some(Api::Completions))
    } else if ends("/responses") {
        (Dialect::Responses, Some(Api::Responses))
    } else if ends("/v1/messages") {
        (Dialect::Anthropic, Some(Api::Messages))
    } else if ends(":generateContent") || ends(":streamGenerateContent") {
        (Dialect::Gemini, Some(Api::Gemini))
    } else if ends("/converse") || ends("/converse-stream") {
        (Dialect::Bedrock, None)
    } else if ends("/v2/chat") {
        (Dialect::Cohere, None)
    } else if ends("/api/chat") {
        (Dialect::Ollama, None)
    } else {
        return None;
    })
}

/// The bytes of a message in a cassette: JSON is kept parsed, other text as a string, anything else in base64.
fn bytes_of(message: &serde_yaml_ng::Value) -> Option<Vec<u8>> {
    if let Some(parsed) = message
        .get("parsed_body")
        .filter(|parsed| !parsed.is_null())
    {
        if let Some(text) = parsed.as_str() {
            return Some(text.as_bytes().to_vec());
        }
        return serde_json::to_vec(parsed).ok();
    }
    match message.get("body")? {
        serde_yaml_ng::Value::String(text) => Some(text.as_bytes().to_vec()),
        body => Some(body.get("string")?.as_str()?.as_bytes().to_vec()),
    }
}

fn decoded(base64: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut group, mut bits) = (0u32, 0);
    for byte in base64.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        group = group << 6 | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((group >> bits & 0xff) as u8);
        }
    }
    bytes
}

fn body(path: &Path, material: &mut Material) {
    let body = fs::read(path).unwrap();
    let Ok(value) = serde_json::from_slice::<Value>(&body) else {
        return;
    };
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let dialect = if value["choices"][0].get("message").is_some() {
        Dialect::OpenAi
    } else if text("object") == Some("response") && value["status"] == "completed" {
        Dialect::Responses
    } else if text("type") == Some("message") {
        Dialect::Anthropic
    } else if value["candidates"].is_array() {
        Dialect::Gemini
    } else if value["output"].get("message").is_some() {
        Dialect::Bedrock
    } else if value["message"]["content"].is_array() && value.get("finish_reason").is_some() {
        Dialect::Cohere
    } else {
        return;
    };
    material.answered.push(Answered {
        name: path.display().to_string(),
        dialect,
        stream: false,
        body,
    });
}

fn chunks(path: &PathBuf, material: &mut Material) {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let Some(first) = lines
        .first()
        .and_then(|line| serde_json::from_str::<Value>(line).ok())
    else {
        return;
    };
    let kind = first["type"].as_str().unwrap_or_default();
    let dialect = match kind {
        "message_start" => Dialect::Anthropic,
        "message-start" => Dialect::Cohere,
        kind if kind.starts_with("response.") => Dialect::Responses,
        _ if first["candidates"].is_array() => Dialect::Gemini,
        _ if first["choices"].is_array() => Dialect::OpenAi,
        _ => return,
    };
    let mut body = Vec::new();
    for line in lines {
        let name = serde_json::from_str::<Value>(line).unwrap_or_default();
        if let Some(name) = name["type"].as_str() {
            body.extend_from_slice(format!("event: {name}\n").as_bytes());
        }
        body.extend_from_slice(format!("data: {line}\n\n").as_bytes());
    }
    if dialect == Dialect::OpenAi {
        body.extend_from_slice(b"data: [DONE]\n\n");
    }
    material.answered.push(Answered {
        name: path.display().to_string(),
        dialect,
        stream: true,
        body,
    });
}
