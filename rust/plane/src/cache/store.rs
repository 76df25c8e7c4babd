//! Kept answers in this process's memory: as many as fit into `cache.size`, and of more those that were used last.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use turnout_wire::replay::Replay;

use crate::lock::lock;
use crate::recent::Recent;

/// Bytes that an entry costs besides its texts: itself, its place in the table and the allocator's share.
const OVERHEAD_BYTES: usize = 256;

/// A kept answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Entry {
    #[serde(skip)]
    pub(crate) replay: Replay,
    /// Unix milliseconds.
    pub(crate) stored_ms: u64,
    pub(crate) ttl_seconds: u64,
    /// The generation that it was.
    pub(crate) source_id: String,
    /// Whether it was a stream.
    pub(crate) streamed: bool,
    /// Slug of the model that served.
    pub(crate) model: String,
    /// Display name and slug of the provider that served.
    pub(crate) provider: String,
    pub(crate) provider_slug: String,
    /// Why it ended; empty: nobody said.
    pub(crate) finish: String,
    pub(crate) native_finish: String,
}

impl Entry {
    /// Whether its time is not over.
    pub(crate) fn is_fresh(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.stored_ms) < self.ttl_seconds * 1000
    }

    fn size(&self) -> usize {
        OVERHEAD_BYTES
            + self.replay.size()
            + [
                &self.source_id,
                &self.model,
                &self.provider,
                &self.provider_slug,
                &self.finish,
                &self.native_finish,
            ]
            .iter()
            .map(|text| text.len())
            .sum::<usize>()
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// Shared by all threads; held for one look or one change. Only requests that ask for the cache come here.
    table: Mutex<Table>,
    /// Bytes of answers that are being recorded, of all threads.
    recording: AtomicUsize,
}

#[derive(Debug, Default)]
struct Table {
    entries: Recent<Arc<Entry>>,
    bytes: usize,
}

impl Store {
    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        lock(&self.table)
    }

    /// The answer, if its time is not over.
    pub(crate) fn look(&self, key: u128, now_ms: u64) -> Option<Arc<Entry>> {
        let found = {
            let mut table = self.table();
            let entry = Arc::clone(table.entries.get(key)?);
            if entry.is_fresh(now_ms) {
                return Some(entry);
            }
            table.remove(key)
        };
        // Its memory is given back when nobody waits.
        drop(found);
        None
    }

    /// Keeps an answer, in place of one under the same key. Those that were used the longest ago make room.
    pub(crate) fn keep(&self, key: u128, entry: Entry, bytes_max: usize) {
        let size = entry.size();
        let entry = Arc::new(entry);
        let mut gone = Vec::new();
        {
            let mut table = self.table();
            gone.extend(table.remove(key));
            if size <= bytes_max {
                table.entries.insert(key, entry);
                table.bytes += size;
            }
            while table.bytes > bytes_max {
                let Some((_, oldest)) = table.entries.pop_oldest() else {
                    break;
                };
                table.bytes -= oldest.size();
                gone.push(oldest);
            }
        }
        drop(gone);
    }

    pub(crate) fn forget(&self, key: u128) {
        let gone = self.table().remove(key);
        drop(gone);
    }

    /// Takes `bytes` into account for an answer that is being recorded. False: there are too many already.
    pub(super) fn reserve(&self, bytes: usize, bytes_max: usize) -> bool {
        let before = self.recording.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) <= bytes_max {
            return true;
        }
        self.release(bytes);
        false
    }

    pub(super) fn release(&self, bytes: usize) {
        self.recording.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Answers, and their bytes.
    pub(crate) fn held(&self) -> (usize, usize) {
        let table = self.table();
        (table.entries.len(), table.bytes)
    }
}

impl Table {
    fn remove(&mut self, key: u128) -> Option<Arc<Entry>> {
        let entry = self.entries.remove(key)?;
        self.bytes -= entry.size();
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str, stored_ms: u64) -> Entry {
        Entry {
            replay: Replay::of(text.as_bytes(), false, "gen-1-a", 1).expect("JSON"),
            stored_ms,
            ttl_seconds: 300,
            ..Entry::default()
        }
    }

    #[test]
    fn k06_an_answer_is_kept_for_its_time() {
        let store = Store::default();
        store.keep(1, entry("{}", 1_000), 10_000);
        assert!(store.look(1, 1_000 + 299_999).is_some());
        assert!(store.look(1, 1_000 + 300_000).is_none());
        assert_eq!(store.held(), (0, 0));
        // A clock that was set back does no harm.
        store.keep(1, entry("{}", 1_000), 10_000);
        assert!(store.look(1, 0).is_some());
    }

    #[test]
    fn the_bound_holds_and_what_is_unused_the_longest_goes() {
        let store = Store::default();
        let size = entry("{}", 0).size();
        for key in 0..10 {
            store.keep(key, entry("{}", 0), size * 4);
            // The first one is asked for again and again.
            store.look(0, 0);
        }
        assert_eq!(store.held(), (4, size * 4));
        let left: Vec<u128> = (0..10)
            .filter(|key| store.look(*key, 0).is_some())
            .collect();
        assert_eq!(left, [0, 7, 8, 9]);
        // What is larger than all of it is not kept, and takes what it would have replaced along.
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(size * 4));
        store.keep(9, entry(&large, 0), size * 4);
        assert!(store.look(9, 0).is_none());
        store.forget(0);
        assert!(store.look(0, 0).is_none());
        assert_eq!(store.held(), (2, size * 2));
        // A smaller bound counts from the next answer on.
        store.keep(11, entry("{}", 0), size);
        assert_eq!(store.held(), (1, size));
    }

    #[test]
    fn answers_that_are_being_recorded_have_a_bound_too() {
        let store = Store::default();
        assert!(store.reserve(60, 100));
        assert!(!store.reserve(60, 100));
        store.release(60);
        assert!(store.reserve(100, 100));
    }
}
