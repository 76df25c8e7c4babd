//! Tools on offer, and the choice among them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::CacheMark;

/// A tool on offer.
#[derive(Debug, Clone)]
pub enum Tool<'a> {
    /// A function with a JSON Schema.
    Function(Function<'a>),
    /// OpenAI's custom tool: text in. Dialects without it offer a function with one string `input`.
    Custom {
        /// Its name.
        name: Cow<'a, str>,
        /// What it does.
        description: Option<Cow<'a, str>>,
        /// A grammar, raw.
        format: Option<&'a RawValue>,
    },
    /// A tool that the provider itself runs (web search, code execution …), raw, in the words of [`Ask::api`].
    Server {
        /// Its `type`.
        kind: Cow<'a, str>,
        /// The whole object.
        raw: &'a RawValue,
    },
}

/// A function tool.
#[derive(Debug, Clone, Default)]
pub struct Function<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// What it does.
    pub description: Option<Cow<'a, str>>,
    /// JSON Schema of its arguments. Owned where the API's own notation of schemas had to be rewritten (Gemini).
    pub parameters: Option<Cow<'a, RawValue>>,
    /// Whether arguments must follow the schema.
    pub strict: Option<bool>,
    /// The namespace that it stands in (Codex). Dialects without namespaces join it to the name; see [`joined_name`].
    pub namespace: Option<Cow<'a, str>>,
    /// A cache breakpoint after it.
    pub cache: Option<CacheMark<'a>>,
}

/// The one name of a tool in a namespace, for dialects without namespaces. [`split_name`] undoes it.
pub fn joined_name<'a>(namespace: Option<&str>, name: &Cow<'a, str>) -> Cow<'a, str> {
    match namespace {
        None => name.clone(),
        Some(namespace) => Cow::Owned(format!("{namespace}{NAMESPACE_JOINT}{name}")),
    }
}

/// Takes a joined name apart.
pub fn split_name(name: &str) -> (Option<&str>, &str) {
    match name.split_once(NAMESPACE_JOINT) {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            (Some(namespace), name)
        }
        _ => (None, name),
    }
}

/// Between namespace and name. Names of tools are letters, digits, `_` and `-` everywhere, so nothing rarer can be used.
const NAMESPACE_JOINT: &str = "___";

/// How the model may choose among tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// As it likes.
    Auto,
    /// None of them.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(Cow<'a, str>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_names_split_again() {
        let name = joined_name(Some("github"), &Cow::Borrowed("list_issues"));
        assert_eq!(split_name(&name), (Some("github"), "list_issues"));
        assert_eq!(split_name("plain__name"), (None, "plain__name"));
    }
}
