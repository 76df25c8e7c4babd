//! What OpenRouter's API limits whoever serves (openrouter.md §2.1), and what of it has to be known before routing.

use std::borrow::Cow;

use super::scan::{Noted, What};
use crate::api::Api;
use crate::api::chat::{Stated, stop_texts};
use crate::dialect::Dialect;
use crate::json::{Kind, Walker};
use crate::member::{self, Path};
use crate::parameter::Parameter;
use crate::refusal::Refusal;

/// Most entries of Anthropic's `fallbacks`, by openrouter.md §1.2.4.
const FALLBACKS_MAX: usize = 3;

/// Most entries of `metadata`, and most characters of a key and of a value (checklist Q15).
const METADATA_MAX: (usize, usize, usize) = (16, 64, 512);

/// What noted members say that has to be known before routing.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) fallbacks: Vec<String>,
    pub(super) hides_thought: bool,
}

/// Judges noted members by the limits of the API. A value of another type than the limit is about is left to the provider.
pub(super) fn judge(noted: &[Noted], api: Api, text: &str) -> Result<Judged, Refusal> {
    let mut judged = Judged::default();
    let chat = api.home() == Dialect::OpenAi && api.streams();
    let mut wishes = false;
    for noted in noted.iter().filter(|noted| noted.value.kind != Kind::Null) {
        let raw = noted.value.raw(text);
        match noted.what {
            What::Parameter(Parameter::Stop) if chat && noted.value.kind == Kind::Array => {
                stop_texts(&mut Walker::new(raw), &Path::ROOT.member("stop"))?;
            }
            What::Parameter(
                Parameter::Reasoning | Parameter::ReasoningEffort | Parameter::IncludeReasoning,
            ) => wishes = chat,
            What::Metadata if chat || api == Api::Responses => judge_metadata(raw)?,
            What::Fallbacks if api == Api::Messages => judged.fallbacks = fallbacks(raw)?,
            What::Store | What::Background
                if api == Api::Responses && noted.value.kind == Kind::True =>
            {
                let name = match noted.what {
                    What::Store => "store",
                    _ => "background",
                };
                return Err(Path::ROOT.member(name).wrong(STATELESS, "true"));
            }
            What::PreviousResponseId if api == Api::Responses => {
                let path = Path::ROOT.member("previous_response_id");
                return Err(path.wrong(STATELESS, noted.value.kind.name()));
            }
            _ => {}
        }
    }
    if wishes {
        let members = noted.iter().filter(|noted| {
            matches!(
                noted.what,
                What::Parameter(
                    Parameter::Reasoning | Parameter::ReasoningEffort | Parameter::IncludeReasoning
                )
            )
        });
        judged.hides_thought = Stated::of(text, members.map(|noted| noted.value.span))?
            .reasoning
            .exclude;
    }
    Ok(judged)
}

const STATELESS: &str =
    "false or absent, because nothing is kept between requests; send the whole history in `input`";

fn judge_metadata(raw: &str) -> Result<(), Refusal> {
    let (entries_max, key_max, value_max) = METADATA_MAX;
    let path = Path::ROOT.member("metadata");
    let mut walker = Walker::new(raw);
    if walker.peek() != Some(Kind::Object) {
        return Ok(());
    }
    let mut entries = 0;
    member::object(&mut walker, &path, |name, walker| {
        entries += 1;
        if name.chars().nth(key_max).is_some() {
            let expected = format!("an object whose keys have at most {key_max} characters");
            return Err(path.wrong(&expected, "a longer key"));
        }
        let value = walker.value().map_err(member::malformed)?;
        match value.string(walker.text()) {
            Some(text) if text.chars().nth(value_max).is_some() => {
                let expected = format!("a string of at most {value_max} characters");
                Err(path.member(name).wrong(&expected, "a longer one"))
            }
            _ => Ok(()),
        }
    })?;
    match entries > entries_max {
        true => Err(path.wrong(
            &format!("an object with at most {entries_max} members"),
            &entries.to_string(),
        )),
        false => Ok(()),
    }
}

/// Reads Anthropic's `fallbacks`: at most three objects with nothing but a model.
fn fallbacks(raw: &str) -> Result<Vec<String>, Refusal> {
    let path = Path::ROOT.member("fallbacks");
    let expected = "an array of at most 3 objects with `model` and nothing else";
    let mut models = Vec::new();
    let mut walker = Walker::new(raw);
    member::array(&mut walker, &path, |index, walker| {
        let path = path.element(index);
        member::object(walker, &path, |name, walker| {
            if name != "model" {
                return Err(path.wrong(expected, &format!("a member `{name}`")));
            }
            models.extend(member::string(walker, &path.member(name))?.map(Cow::into_owned));
            Ok(())
        })?;
        match models.len() == index + 1 && index < FALLBACKS_MAX {
            true => Ok(()),
            false => Err(path.wrong(expected, "something else")),
        }
    })?;
    Ok(models)
}
