//! Answers that are built once and sent many times, and how often a script has run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::answer::Answer;

/// Most bytes of prebuilt answers; at the bound all are forgotten and built again when they are asked for.
const BYTES_MAX: usize = 64 << 20;
/// Most scripts whose runs are counted; at the bound all counts start again.
const SCRIPTS_MAX: usize = 100_000;
/// Largest answer that is kept. One that would push out most others is cheaper built again.
const ANSWER_BYTES_MAX: usize = BYTES_MAX / 4;
/// Most answers above that size that are known while they are being sent.
const LARGE_MAX: usize = 64;
/// What an entry costs beside its answer, roughly.
const ENTRY_BYTES: usize = 1024;

/// Shared by the threads of one mock. Both locks are held for one look-up.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    answers: Mutex<Answers>,
    runs: Mutex<HashMap<Vec<u8>, u64>>,
}

#[derive(Debug, Default)]
struct Answers {
    by_key: HashMap<Vec<u8>, Arc<Answer>>,
    /// Sum of what `by_key` holds.
    bytes: usize,
    /// Answers too large to keep: found as long as somebody else is still being sent the same, so that many stalled
    /// readers of one large stream cost its memory once.
    large: HashMap<Vec<u8>, Weak<Answer>>,
}

impl Shelf {
    pub(crate) fn find(&self, key: &[u8]) -> Option<Arc<Answer>> {
        let answers = lock(&self.answers);
        match answers.by_key.get(key) {
            Some(answer) => Some(Arc::clone(answer)),
            None if answers.large.is_empty() => None,
            None => answers.large.get(key).and_then(Weak::upgrade),
        }
    }

    pub(crate) fn put(&self, key: &[u8], answer: &Arc<Answer>) {
        let size = answer.bytes.len() + key.len() + ENTRY_BYTES;
        let mut answers = lock(&self.answers);
        if size > ANSWER_BYTES_MAX {
            answers.large.retain(|_, answer| answer.strong_count() > 0);
            if answers.large.len() < LARGE_MAX {
                answers.large.insert(key.to_vec(), Arc::downgrade(answer));
            }
            return;
        }
        if answers.bytes + size > BYTES_MAX {
            answers.by_key.clear();
            answers.bytes = 0;
        }
        if answers
            .by_key
            .insert(key.to_vec(), Arc::clone(answer))
            .is_none()
        {
            answers.bytes += size;
        }
    }

    /// Counts one run of this script and says how many came before.
    pub(crate) fn run(&self, script: &[u8]) -> u64 {
        let mut runs = lock(&self.runs);
        if runs.len() >= SCRIPTS_MAX && !runs.contains_key(script) {
            runs.clear();
        }
        let count = runs.entry(script.to_vec()).or_default();
        *count += 1;
        *count - 1
    }

    /// Every script starts again.
    pub(crate) fn reset(&self) {
        lock(&self.runs).clear();
    }
}

/// A panic elsewhere leaves a map that is still a map.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Manner, put};
    use crate::dialect::Words;
    use crate::script::Script;

    fn answer(bytes: usize) -> Arc<Answer> {
        let words = Words::json(200, vec![b'x'; bytes]);
        Arc::new(put(Script::default(), Manner::default(), words))
    }

    #[test]
    fn what_is_kept_stays_below_the_bound() {
        let shelf = Shelf::default();
        for index in 0..10 {
            shelf.put(&[index], &answer(ANSWER_BYTES_MAX / 2));
            assert!(lock(&shelf.answers).bytes <= BYTES_MAX);
        }
        assert!(shelf.find(&[9]).is_some());
        assert!(shelf.find(&[0]).is_none());
    }

    #[test]
    fn a_large_answer_is_shared_while_it_is_sent_and_then_forgotten() {
        let shelf = Shelf::default();
        let sent = answer(ANSWER_BYTES_MAX);
        shelf.put(b"k", &sent);
        assert!(
            shelf
                .find(b"k")
                .is_some_and(|found| Arc::ptr_eq(&found, &sent))
        );
        drop(sent);
        assert!(shelf.find(b"k").is_none());
    }

    #[test]
    fn runs_are_counted_by_script() {
        let shelf = Shelf::default();
        assert_eq!(
            (shelf.run(b"a"), shelf.run(b"a"), shelf.run(b"b")),
            (0, 1, 0)
        );
        shelf.reset();
        assert_eq!(shelf.run(b"a"), 0);
    }
}
