//! Patterns of slugs: `anthropic/*`, `*/claude-*`. A `*` stands for any text, also none.

/// A list of them.
#[derive(Debug, Default)]
pub(super) struct Patterns(Vec<String>);

impl Patterns {
    pub(super) fn new(patterns: Vec<String>) -> Patterns {
        Patterns(patterns)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any of them means this slug.
    pub(super) fn matches(&self, slug: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, slug))
    }
}

/// Whether a pattern means a slug.
fn matches(pattern: &str, slug: &str) -> bool {
    let Some((prefix, mut rest)) = pattern.split_once('*') else {
        return pattern == slug;
    };
    let Some(mut left) = slug.strip_prefix(prefix) else {
        return false;
    };
    // Each part is taken where it first stands; the last one must end the slug. That finds a way whenever there is one.
    while let Some((part, more)) = rest.split_once('*') {
        let Some(at) = left.find(part) else {
            return false;
        };
        left = left.get(at + part.len()..).unwrap_or_default();
        rest = more;
    }
    left.ends_with(rest)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, slug, is_match) in [
            ("a/b", "a/b", true),
            ("a/b", "a/bc", false),
            ("*", "a/b", true),
            ("a/*", "a/b", true),
            ("a/*", "b/a/c", false),
            ("*/claude-*", "anthropic/claude-x", true),
            ("*/claude-*", "anthropic/x-claude", false),
            ("*mini", "openai/gpt-mini", true),
            ("*mini", "openai/gpt-mini-high", false),
            ("a*b*c", "abbc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("a**c", "abc", true),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, slug), is_match, "{pattern} {slug}");
        }
    }
}
