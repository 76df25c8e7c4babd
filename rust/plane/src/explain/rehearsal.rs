//! A request that is planned and not sent: what `POST /api/admin/route/explain` and `turnout route` tell.
//!
//! It goes through the same steps as a request that comes over a connection, up to the plan, and is told in the same words as one that
//! asks for everything. Nothing is counted, booked or remembered of it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use turnout_wire::api::{self, Api};
use turnout_wire::beside;
use turnout_wire::refusal::Refusal;
use turnout_wire::request::Request;

use super::{Course, of_refused};
use crate::clock::Instant;
use crate::edge::head::{self, Head, Known};
use crate::judge;
use crate::preset;
use crate::route::router::judge::Memory;
use crate::route::sticky::{self, Conversation};
use crate::route::trace::{Trace, Wish};
use crate::route::{self, Asking};
use crate::snapshot::Snapshot;

/// Most bytes of a rehearsal; as many as a request may have by default.
pub(crate) const BYTES_MAX: usize = 64 * 1024 * 1024;

/// A request to plan.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rehearsal<'a> {
    /// Name of the API whose body it is.
    #[serde(default = "chat")]
    api: String,
    #[serde(borrow)]
    body: &'a RawValue,
    /// The model, for APIs that name it in their path.
    #[serde(default)]
    model: Option<String>,
    /// Whether a stream is wanted, for those APIs.
    #[serde(default)]
    stream: bool,
    /// Name of the client's key; none: as without keys.
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Makes draws repeatable.
    #[serde(default)]
    seed: Option<u64>,
}

/// Reads a rehearsal. An object without `body` is itself the body of a chat request.
fn read(bytes: &[u8]) -> Result<Rehearsal<'_>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Outer<'a> {
        #[serde(borrow)]
        body: Option<&'a RawValue>,
    }
    if serde_json::from_slice::<Outer<'_>>(bytes)?.body.is_some() {
        return serde_json::from_slice(bytes);
    }
    Ok(Rehearsal {
        api: chat(),
        body: serde_json::from_slice(bytes)?,
        model: None,
        stream: false,
        key: None,
        headers: BTreeMap::new(),
        seed: None,
    })
}

fn chat() -> String {
    Api::Chat.name().to_owned()
}

/// Plans a request and tells what came of it, as JSON: `openrouter_metadata`, `turnout_explain` and, if it is refused,
/// `error`. `Err`: what is wrong with the rehearsal itself.
pub(crate) fn rehearse(
    snapshot: &Snapshot,
    sticky: &sticky::Table,
    judgements: &Memory,
    bytes: &[u8],
) -> Result<Vec<u8>, String> {
    if bytes.len() > BYTES_MAX {
        return Err(format!("it has more than {BYTES_MAX} bytes"));
    }
    let asked = read(bytes).map_err(|error| error.to_string())?;
    let api = Api::ALL
        .into_iter()
        .find(|api| api.name() == asked.api)
        .ok_or_else(|| {
            let known: Vec<&str> = Api::ALL.iter().map(|api| api.name()).collect();
            format!(
                "api: no API is called {:?}; there are: {}",
                asked.api,
                known.join(", ")
            )
        })?;
    let key = match &asked.key {
        None => None,
        Some(name) => Some(
            snapshot
                .key_named(name)
                .ok_or_else(|| format!("key: no key has this name: {name:?}"))?,
        ),
    };
    let head = head(&asked.headers)?;
    let now = Instant::now();
    if let Some(seed) = asked.seed {
        fastrand::seed(seed);
    }
    let wish = Wish {
        router: true,
        whole: true,
        inside: true,
    };
    let trace = RefCell::new(Trace::new(wish, now));
    let body = asked.body.get().as_bytes().to_vec();
    let read = match api.model_in_path() {
        true => match asked.model {
            Some(model) => Request::read_beside_path(body, api, model, asked.stream),
            None => {
                return Err(format!(
                    "model: the API {} names its model in the path, so it has to stand beside \"body\"",
                    api.name()
                ));
            }
        },
        false => Request::read(body, api),
    };
    let mut out = Vec::new();
    let read = read.and_then(|request| {
        let merged = preset::applied(snapshot, &request)?;
        Ok(merged.map_or(request, |(merged, _)| *merged))
    });
    let request = match read {
        Ok(request) => request,
        Err(refusal) => {
            write_error(api, &refusal, &mut out);
            return Ok(out);
        }
    };
    let conversation = Conversation::new(sticky, key, &request, &head, now);
    let judged;
    let mut asking = Asking {
        snapshot,
        key,
        request: &request,
        conversation: Some(&conversation),
        region: snapshot.region(head.text(Known::Host)),
        judged: None,
        trace: Some(&trace),
    };
    asking.note(|trace| trace.step("parse", Instant::now()));
    if snapshot.has_judge {
        judged = judge::rehearse(judgements, &asking);
        asking.judged = judged.as_ref();
    }
    let planned = route::plan(&asking);
    asking.note(|trace| trace.step("plan", Instant::now()));
    let members = match &planned {
        Ok(plan) => {
            out.extend_from_slice(b"{}");
            Course {
                id: "",
                asking: &asking,
                trace: &trace.borrow(),
                plan: Some(plan),
                serving: None,
                tried: &[],
                times: None,
            }
            .members()
        }
        Err(refusal) => {
            write_error(api, refusal, &mut out);
            of_refused(&asking, refusal)
        }
    };
    beside::put_into_document(&members, 0, &mut out);
    Ok(out)
}

/// Appends the error that the client would get.
fn write_error(api: Api, refusal: &Refusal, out: &mut Vec<u8>) {
    api::write_refusal(api.family(), refusal, "", out);
}

/// The head of a request with these headers.
fn head(headers: &BTreeMap<String, String>) -> Result<Head, String> {
    let mut text = String::from("POST / HTTP/1.1\r\n");
    if !headers.keys().any(|name| name.eq_ignore_ascii_case("host")) {
        text.push_str("host: localhost\r\n");
    }
    for (name, value) in headers {
        if value.contains(['\r', '\n']) || name.contains(['\r', '\n', ':']) {
            return Err(format!("headers: {name:?} is no header"));
        }
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let mut read = Head::default();
    read.read(text.as_bytes(), head::HEADERS_MAX)
        .map_err(|refusal| format!("headers: {}", refusal.message))?;
    Ok(read)
}
