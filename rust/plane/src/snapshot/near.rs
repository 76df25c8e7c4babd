//! Names close to one that was not found, for the hint in a refusal.

use super::Snapshot;

/// Names that are compared with one that was not found. With more models than this the hint may miss one, which costs a
/// client a look at the list; comparing them all would cost every other client of the thread milliseconds.
const NEAR_LOOKED_AT_MAX: usize = 1000;

impl Snapshot {
    /// Names close to one that was not found, best first, at most three.
    pub(crate) fn near(&self, name: &str) -> Vec<String> {
        let mut scored: Vec<(usize, String)> = Vec::new();
        let last = name.rsplit('/').next().unwrap_or(name);
        for known in self.models.keys().take(NEAR_LOOKED_AT_MAX) {
            let known_last = known.rsplit('/').next().unwrap_or(known);
            let most = name.len().max(4) / 3;
            let score = if known_last.eq_ignore_ascii_case(last) {
                0
            } else {
                let whole = distance(name, known, most);
                let part = distance(last, known_last, most.saturating_sub(1)).map(|part| part + 1);
                match whole.into_iter().chain(part).min() {
                    Some(distance) => distance,
                    None => continue,
                }
            };
            scored.push((score, known.clone()));
        }
        if !name.contains('/') && !name.is_empty() {
            for wildcard in &self.wildcards {
                if wildcard.prefix.ends_with('/') {
                    scored.push((2, format!("{}{name}", wildcard.prefix)));
                }
            }
        }
        scored.sort();
        scored.truncate(3);
        scored.into_iter().map(|(_, name)| name).collect()
    }
}

/// Names close to `name`, best first, at most three.
pub(crate) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n String>) -> Vec<String> {
    let most = name.len().max(4) / 3;
    let mut scored: Vec<(usize, &String)> = known
        .take(NEAR_LOOKED_AT_MAX)
        .filter_map(|known| Some((distance(name, known, most)?, known)))
        .collect();
    scored.sort();
    scored.truncate(3);
    scored.into_iter().map(|(_, name)| name.clone()).collect()
}

/// Edit distance of the first 64 bytes of each, unless it is more than `most`.
fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let (a, b) = (
        &a.as_bytes()[..a.len().min(64)],
        &b.as_bytes()[..b.len().min(64)],
    );
    // Nearly all names are too far away, and that is seen from what letters they have: an edit takes away or adds one at most.
    let (in_a, in_b) = (letters(a), letters(b));
    let lacking = (in_a & !in_b).count_ones().max((in_b & !in_a).count_ones());
    if a.len().abs_diff(b.len()) > most || lacking as usize > most {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        let mut least = row[0];
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
            least = least.min(row[j + 1]);
        }
        // It never becomes less further down.
        if least > most {
            return None;
        }
    }
    row.last().copied().filter(|distance| *distance <= most)
}

/// Which letters, digits and signs a name has: a bit for each, some of which share one.
fn letters(name: &[u8]) -> u64 {
    name.iter()
        .fold(0, |seen, byte| seen | 1 << (byte.to_ascii_lowercase() & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("gpt-4o", "gpt-4o", 0), Some(0));
        assert_eq!(distance("gpt-4o", "GPT-4", 1), Some(1));
        assert_eq!(distance("kitten", "sitting", 3), Some(3));
    }

    #[test]
    fn what_is_too_far_away_has_none() {
        assert_eq!(distance("kitten", "sitting", 2), None);
        assert_eq!(distance("abc", "xyz", 2), None);
        assert_eq!(distance("abcabc", "cbacba", 3), None);
        assert_eq!(distance("abcdef", "a", 4), None);
        assert_eq!(distance("", "abc", 3), Some(3));
    }
}
