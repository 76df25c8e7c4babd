//! Lists of models as people write them: slugs, and beginnings of slugs with a `*` behind them.
//!
//! A key may have a thousand of them, and a router asks about each model of the catalogue. So they are put in order once, and a look at
//! a list is two searches in it, however long it is.

/// Such a list, in order.
#[derive(Debug, Default, Clone)]
pub(crate) struct Slugs {
    whole: Vec<String>,
    /// None of them begins with another: who begins with the longer one begins with the shorter.
    beginnings: Vec<String>,
}

impl Slugs {
    /// From what a person wrote; only a `*` at the end stands for anything.
    pub(crate) fn new(patterns: impl IntoIterator<Item = String>) -> Slugs {
        let mut slugs = Slugs::default();
        for mut pattern in patterns {
            match pattern.strip_suffix('*').map(str::len) {
                Some(length) => {
                    pattern.truncate(length);
                    slugs.beginnings.push(pattern);
                }
                None => slugs.whole.push(pattern),
            }
        }
        slugs.whole.sort_unstable();
        slugs.beginnings.sort_unstable();
        // In this order those that begin with another follow it, all together.
        (slugs.beginnings).dedup_by(|later, first| later.starts_with(first.as_str()));
        slugs
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.beginnings.is_empty()
    }

    /// Whether the slug is in it as it stands.
    pub(crate) fn has(&self, slug: &str) -> bool {
        let search = |known: &String| known.as_str().cmp(slug);
        self.whole.binary_search_by(search).is_ok()
    }

    /// Whether the slug begins as one of them does.
    pub(crate) fn has_beginning_of(&self, slug: &str) -> bool {
        // What lies between a beginning and what begins so begins so too: only the last one before the slug can be it.
        let behind = (self.beginnings).partition_point(|known| known.as_str() <= slug);
        let last = behind.checked_sub(1).and_then(|at| self.beginnings.get(at));
        last.is_some_and(|beginning| slug.starts_with(beginning.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_means_what_going_through_it_would() {
        let patterns = [
            "a/b",
            "a/*",
            "a/c*",
            "b/long-*",
            "b/l",
            "c*",
            "ca/*",
            "z/*-x",
            "",
            "b/long-name",
        ];
        let slugs = Slugs::new(patterns.map(str::to_owned));
        for slug in [
            "a/b",
            "a/x",
            "a",
            "b/long-",
            "b/long",
            "b/l",
            "b/lo",
            "c",
            "caz",
            "ca/x",
            "z/*-x",
            "z/a-x",
            "",
            "d",
            "b/long-name",
            "b/m",
        ] {
            let whole = patterns.contains(&slug);
            let begins = patterns
                .iter()
                .filter_map(|pattern| pattern.strip_suffix('*'))
                .any(|beginning| slug.starts_with(beginning));
            assert_eq!(slugs.has(slug), whole, "{slug}");
            assert_eq!(slugs.has_beginning_of(slug), begins, "{slug}");
        }
        assert!(!slugs.is_empty() && Slugs::new([]).is_empty());
    }

    #[test]
    fn a_lone_star_is_every_slug() {
        let slugs = Slugs::new(["*".to_owned(), "a/*".to_owned()]);
        assert!(slugs.has_beginning_of("a/b") && slugs.has_beginning_of("z"));
    }
}
