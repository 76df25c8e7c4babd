//! Patterns of slugs: `anthropic/*`, `*/claude-*`. A `*` stands for any text, also none.
//!
//! A request may bring 1024 of them, and each model of the catalogue is compared with the list. So a list is put in order before: slugs
//! and beginnings of slugs are searched ([`Slugs`]), and of the other patterns only those are compared that share three letters with the
//! slug, namely the three in the middle of their longest piece. Only patterns whose pieces are all shorter are compared with each slug.

use crate::slugs::Slugs;

/// A list of them.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    /// Those without a star before the end.
    slugs: Slugs,
    /// Those with a longer piece, by three letters of it.
    by_letters: Vec<(Letters, String)>,
    /// For each letters above a bit, to see quickly that there are none; empty when there are none at all.
    seen: Vec<u64>,
    /// The others.
    short: Vec<String>,
}

type Letters = [u8; 3];

/// Bits of [`Patterns::seen`].
const SEEN_BITS: usize = 4096;

impl Patterns {
    pub(super) fn new(patterns: Vec<String>) -> Patterns {
        let mut list = Patterns::default();
        let is_simple = |pattern: &String| {
            pattern
                .find('*')
                .is_none_or(|star| star + 1 == pattern.len())
        };
        let (simple, other): (Vec<String>, Vec<String>) = patterns.into_iter().partition(is_simple);
        list.slugs = Slugs::new(simple);
        for pattern in other {
            match letters(&pattern) {
                Some(letters) => list.by_letters.push((letters, pattern)),
                None => list.short.push(pattern),
            }
        }
        list.by_letters.sort_unstable();
        if !list.by_letters.is_empty() {
            list.seen = vec![0; SEEN_BITS / 64];
        }
        for (letters, _) in &list.by_letters {
            let (word, bit) = place(*letters);
            if let Some(word) = list.seen.get_mut(word) {
                *word |= bit;
            }
        }
        list
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slugs.is_empty() && self.by_letters.is_empty() && self.short.is_empty()
    }

    /// Whether any of them means this slug.
    pub(super) fn matches(&self, slug: &str) -> bool {
        self.slugs.has(slug)
            || self.slugs.has_beginning_of(slug)
            || self.short.iter().any(|pattern| matches(pattern, slug))
            || (!self.seen.is_empty() && self.matches_by_letters(slug))
    }

    fn matches_by_letters(&self, slug: &str) -> bool {
        slug.as_bytes().windows(3).any(|window| {
            let Ok(letters) = Letters::try_from(window) else {
                return false;
            };
            let (word, bit) = place(letters);
            if self.seen.get(word).is_none_or(|word| word & bit == 0) {
                return false;
            }
            let from = self
                .by_letters
                .partition_point(|(known, _)| *known < letters);
            let those = self.by_letters.iter().skip(from);
            those
                .take_while(|(known, _)| *known == letters)
                .any(|(_, pattern)| matches(pattern, slug))
        })
    }
}

/// Three letters that every slug has which the pattern means; `None`: no piece of it is so long.
fn letters(pattern: &str) -> Option<Letters> {
    let pieces = pattern.split('*').map(str::as_bytes);
    let longest = pieces.max_by_key(|piece| piece.len())?;
    let from = longest.len().checked_sub(3)? / 2;
    longest.get(from..from + 3)?.try_into().ok()
}

/// Where the bit of these letters is: the word, and the bit in it.
fn place([a, b, c]: Letters) -> (usize, u64) {
    let mixed = usize::from(a) * 31 + usize::from(b) * 977 + usize::from(c) * 7;
    let at = mixed % SEEN_BITS;
    (at / 64, 1 << (at % 64))
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
    use super::{Patterns, matches};

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
            let alone = Patterns::new(vec![pattern.to_owned()]);
            assert_eq!(alone.matches(slug), is_match, "{pattern} {slug}");
        }
    }

    #[test]
    fn a_list_means_what_each_of_it_means() {
        let authors = ["openai", "anthropic", "z-ai", "x"];
        let names = [
            "gpt-5",
            "claude-sonnet-4",
            "glm-4.5-air:free",
            "grok",
            "o1-mini",
        ];
        let slugs: Vec<String> = authors
            .iter()
            .flat_map(|author| names.map(|name| format!("{author}/{name}")))
            .collect();
        let mut rng = fastrand::Rng::with_seed(4);
        for _ in 0..300 {
            let patterns: Vec<String> = (0..rng.usize(1..6))
                .map(|_| {
                    // A slug with some of its letters, or runs of them, made stars.
                    let keeps = rng.bool();
                    let slug = &slugs[rng.usize(..slugs.len())];
                    let starred = slug
                        .chars()
                        .map(|letter| if rng.u8(..4) == 0 { '*' } else { letter });
                    starred.filter(|letter| keeps || *letter != '-').collect()
                })
                .collect();
            let list = Patterns::new(patterns.clone());
            for slug in &slugs {
                let each = patterns.iter().any(|pattern| matches(pattern, slug));
                assert_eq!(list.matches(slug), each, "{patterns:?} {slug}");
            }
        }
        assert!(Patterns::new(Vec::new()).is_empty());
        assert!(!Patterns::new(vec!["*a*".to_owned()]).is_empty());
    }
}
