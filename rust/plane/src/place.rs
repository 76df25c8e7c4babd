//! Where a path leads.
//!
//! Every API is served under `/v1` and `/api/v1`; Anthropic's also under `/anthropic`, because its SDKs are pointed at a host and add `/v1`
//! themselves; Gemini's under `/v1beta` too, where its SDKs look, and under the long paths of Vertex. What is not listed here belongs to
//! the control side.

use turnout_wire::api::{Api, Family};

use crate::edge::head::{Head, Known};
use crate::models::of_another_api;
use crate::upstream::origin::percent_decode;

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// An API whose body names the model.
    Generate(Api),
    /// An API whose path names the model; see [`in_path`].
    GenerateInPath(Api),
    Models,
    Model,
    Live,
    Ready,
    Metrics,
    /// Where clients look whether anyone is there.
    Hello,
    /// Where a client asks for the responses API over a WebSocket, which is not offered.
    NoSocket,
    /// The control side.
    Cold,
}

/// Compared as bytes: a path that is not text is nobody's.
pub(crate) fn place(head: &Head) -> Place {
    let path = head.path_bytes();
    match path {
        b"/health/live" => return Place::Live,
        b"/health/ready" => return Place::Ready,
        b"/metrics" => return Place::Metrics,
        b"/api/hello" | b"/anthropic/api/hello" | b"/anthropic" | b"/anthropic/" => {
            return Place::Hello;
        }
        _ => {}
    }
    if let Some(rest) = path
        .strip_prefix(b"/v1/")
        .or_else(|| path.strip_prefix(b"/api/v1/"))
    {
        return below_v1(rest, head);
    }
    if let Some(rest) = path.strip_prefix(b"/anthropic/v1/") {
        return match rest {
            b"messages" => Place::Generate(Api::Messages),
            b"messages/count_tokens" => Place::Generate(Api::MessagesCount),
            _ => Place::Cold,
        };
    }
    let vertex = path.starts_with(b"/v1beta1/projects/");
    // Vercel's library leaves `models/` out where the model's name has a slash.
    if path.starts_with(b"/v1beta/") || vertex {
        return action(path).map_or(Place::Cold, Place::GenerateInPath);
    }
    Place::Cold
}

fn below_v1(rest: &[u8], head: &Head) -> Place {
    match rest {
        b"chat/completions" => Place::Generate(Api::Chat),
        b"completions" => Place::Generate(Api::Completions),
        b"embeddings" => Place::Generate(Api::Embeddings),
        b"responses" if head.wants_upgrade() => Place::NoSocket,
        b"responses" => Place::Generate(Api::Responses),
        b"messages" => Place::Generate(Api::Messages),
        b"messages/count_tokens" => Place::Generate(Api::MessagesCount),
        b"rerank" => Place::Generate(Api::Rerank),
        b"images/generations" | b"images" => Place::Generate(Api::Images),
        b"images/edits" => Place::Generate(Api::ImageEdits),
        b"audio/speech" => Place::Generate(Api::Speech),
        b"audio/transcriptions" => Place::Generate(Api::Transcriptions),
        b"audio/translations" => Place::Generate(Api::Translations),
        b"moderations" => Place::Generate(Api::Moderations),
        // Filters, pages and Anthropic's form of the list are the control side's.
        b"models" if head.query().is_empty() && !of_another_api(head) => Place::Models,
        _ => match rest.strip_prefix(b"models/") {
            // Deeper paths (`…/endpoints`) belong to the catalogue, which is the control side's.
            Some(name) if !name.is_empty() => {
                if let Some(api) = action(name) {
                    return Place::GenerateInPath(api);
                }
                let deep = name.iter().filter(|byte| **byte == b'/').count() > 1;
                match deep
                    || matches!(name, b"count" | b"user")
                    || name.ends_with(b"/endpoints")
                    || of_another_api(head)
                {
                    true => Place::Cold,
                    false => Place::Model,
                }
            }
            _ if rest.starts_with(b"projects/") => {
                action(rest).map_or(Place::Cold, Place::GenerateInPath)
            }
            _ => Place::Cold,
        },
    }
}

fn speaks_anthropic(head: &Head) -> bool {
    head.get(Known::AnthropicVersion).is_some()
}

/// What Gemini's paths end in, after the model and a colon.
const ACTIONS: [(&[u8], Api); 5] = [
    (b":generateContent", Api::Gemini),
    (b":streamGenerateContent", Api::Gemini),
    (b":countTokens", Api::GeminiCount),
    (b":embedContent", Api::GeminiEmbed),
    (b":batchEmbedContents", Api::GeminiEmbedBatch),
];

fn action(path: &[u8]) -> Option<Api> {
    ACTIONS
        .iter()
        .find(|(end, _)| path.ends_with(end))
        .map(|(_, api)| *api)
}

/// What a Gemini path says beside the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InPath {
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// Without `alt=sse` a stream is one JSON array, whose elements come one after the other.
    pub(crate) array: bool,
}

/// Reads the model between `models/`, or the version where that is left out, and the last colon, and how a stream is wanted.
pub(crate) fn in_path(head: &Head) -> InPath {
    let path = head.path();
    let after = match path.strip_prefix("/v1beta/") {
        Some(rest) => rest.strip_prefix("models/").unwrap_or(rest),
        None => path.split_once("/models/").map_or("", |(_, after)| after),
    };
    let (model, action) = after.rsplit_once(':').unwrap_or((after, ""));
    let stream = action == "streamGenerateContent";
    InPath {
        model: String::from_utf8(percent_decode(model)).unwrap_or_default(),
        stream,
        array: stream && !head.query().split('&').any(|pair| pair == "alt=sse"),
    }
}

/// In whose form an error is told at this path.
pub(crate) fn family(head: &Head) -> Family {
    match place(head) {
        Place::Generate(api) | Place::GenerateInPath(api) => api.family(),
        _ if speaks_anthropic(head) => Family::Anthropic,
        _ if head.path_bytes().starts_with(b"/v1beta/") => Family::Gemini,
        _ => Family::OpenAi,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(target: &str, lines: &str) -> Head {
        let mut head = Head::default();
        let text = format!("POST {target} HTTP/1.1\r\nhost: a\r\n{lines}\r\n");
        head.read(text.as_bytes(), 50).expect("well formed");
        head
    }

    fn at(target: &str) -> Place {
        place(&head(target, ""))
    }

    #[test]
    fn every_api_has_its_paths() {
        for prefix in ["/v1/", "/api/v1/"] {
            for (rest, api) in [
                ("chat/completions", Api::Chat),
                ("completions", Api::Completions),
                ("embeddings", Api::Embeddings),
                ("responses", Api::Responses),
                ("messages", Api::Messages),
                ("messages/count_tokens", Api::MessagesCount),
                ("messages?beta=true", Api::Messages),
                ("rerank", Api::Rerank),
                ("images/generations", Api::Images),
                ("images", Api::Images),
                ("images/edits", Api::ImageEdits),
                ("audio/speech", Api::Speech),
                ("audio/transcriptions", Api::Transcriptions),
                ("audio/translations", Api::Translations),
                ("moderations", Api::Moderations),
            ] {
                assert_eq!(at(&format!("{prefix}{rest}")), Place::Generate(api));
            }
        }
        assert_eq!(at("/anthropic/v1/messages"), Place::Generate(Api::Messages));
    }

    #[test]
    fn geminis_paths_name_the_model() {
        for (path, model) in [
            (
                "/v1beta/models/gemini-2.5-pro:streamGenerateContent",
                "gemini-2.5-pro",
            ),
            (
                "/v1beta/openai/gpt-4o:streamGenerateContent",
                "openai/gpt-4o",
            ),
            (
                "/v1beta/author/models/m:streamGenerateContent",
                "author/models/m",
            ),
            (
                "/v1/models/openai/gpt-4o:streamGenerateContent",
                "openai/gpt-4o",
            ),
            (
                "/v1beta/models/openai%2Fgpt-4o%3Afree:streamGenerateContent",
                "openai/gpt-4o:free",
            ),
            (
                "/v1beta1/projects/p/locations/l/publishers/google/models/m:streamGenerateContent",
                "m",
            ),
        ] {
            assert_eq!(at(path), Place::GenerateInPath(Api::Gemini), "{path}");
            let read = in_path(&head(path, ""));
            assert_eq!(read.model, model);
            assert!(read.stream && read.array);
            let events = in_path(&head(&format!("{path}?alt=sse&key=k"), ""));
            assert!(events.stream && !events.array);
        }
        assert_eq!(
            at("/v1beta/models/m:countTokens"),
            Place::GenerateInPath(Api::GeminiCount)
        );
        assert_eq!(at("/v1beta/models/m:nothing"), Place::Cold);
        assert_eq!(at("/v1beta/models"), Place::Cold);
    }

    #[test]
    fn what_the_control_side_knows_better_is_left_to_it() {
        assert_eq!(at("/v1/models"), Place::Models);
        assert_eq!(at("/v1/models/openai/gpt-4o"), Place::Model);
        for cold in [
            "/v1/models?limit=3",
            "/v1/models/count",
            "/v1/models/user",
            "/v1/models/openai/gpt-4o/endpoints",
            "/v1/providers",
            "/",
        ] {
            assert_eq!(at(cold), Place::Cold, "{cold}");
        }
        let anthropic = head("/v1/models", "anthropic-version: 2023-06-01\r\n");
        assert_eq!(place(&anthropic), Place::Cold);
        assert_eq!(family(&anthropic), Family::Anthropic);
    }

    #[test]
    fn a_socket_is_refused_and_a_greeting_answered() {
        let socket = head(
            "/v1/responses",
            "upgrade: websocket\r\nconnection: upgrade\r\n",
        );
        assert_eq!(place(&socket), Place::NoSocket);
        assert_eq!(at("/api/hello"), Place::Hello);
        assert_eq!(at("/anthropic"), Place::Hello);
    }
}
