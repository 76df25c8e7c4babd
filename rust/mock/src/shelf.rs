//! Answers that are built once and sent many times, and how often a script has run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::answer::Answer;

/// Most bytes of prebuilt answers; at the bound all are forgotten and built again when they are asked for.
const BYTES_MAX: usize = 64 << 20;
/// Most scripts whose runs are counted; at the bound all counts start again.
const SCRIPTS_MAX: usize = 100_000;
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
    bytes: usize,
}

impl Shelf {
    pub(crate) fn find(&self, key: &[u8]) -> Option<Arc<Answer>> {
        lock(&self.answers).by_key.get(key).cloned()
    }

    pub(crate) fn put(&self, key: &[u8], answer: &Arc<Answer>) {
        let size = answer.bytes.len() + key.len() + ENTRY_BYTES;
        // One answer that would push out most others is cheaper built each time than kept.
        if size > BYTES_MAX / 4 {
            return;
        }
        let mut answers = lock(&self.answers);
        if answers.bytes + size > BYTES_MAX {
            *answers = Answers::default();
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
