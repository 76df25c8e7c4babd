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
            let score = if known_last.eq_ignore_ascii_case(last) {
                0
            } else {
                let distance = distance(name, known).min(distance(last, known_last) + 1);
                if distance > name.len().max(4) / 3 {
                    continue;
                }
                distance
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
    let mut scored: Vec<(usize, &String)> = known
        .take(NEAR_LOOKED_AT_MAX)
        .map(|known| (distance(name, known), known))
        .filter(|(distance, _)| *distance <= name.len().max(4) / 3)
        .collect();
    scored.sort();
    scored.truncate(3);
    scored.into_iter().map(|(_, name)| name.clone()).collect()
}

/// Edit distance, for at most 64 bytes of each.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (
        &a.as_bytes()[..a.len().min(64)],
        &b.as_bytes()[..b.len().min(64)],
    );
    if a.len().abs_diff(b.len()) > 24 {
        return usize::MAX / 2;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("gpt-4o", "gpt-4o"), 0);
        assert_eq!(distance("gpt-4o", "GPT-4"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
