//! A table that remembers what was used last: at its bound, what has been unused the longest is forgotten.
//!
//! A hash index over one vector of entries, which are chained in the order of their use. Everything is a few steps whatever
//! the size, and an entry costs its value and 32 bytes.

use hashbrown::HashTable;

/// Keys are hashes already, evenly spread, so that they are not hashed again.
pub(crate) type Key = u128;

/// No entry.
const NONE: u32 = u32::MAX;

/// The table. Bounds are its owner's: see [`Recent::pop_oldest`].
#[derive(Debug)]
pub(crate) struct Recent<V> {
    index: HashTable<u32>,
    entries: Vec<Entry<V>>,
    newest: u32,
    oldest: u32,
    /// First of the entries that are free, chained by `older`.
    free: u32,
}

#[derive(Debug)]
struct Entry<V> {
    key: Key,
    newer: u32,
    older: u32,
    /// `None`: the entry is free.
    value: Option<V>,
}

impl<V> Default for Recent<V> {
    fn default() -> Recent<V> {
        Recent {
            index: HashTable::new(),
            entries: Vec::new(),
            newest: NONE,
            oldest: NONE,
            free: NONE,
        }
    }
}

fn hash(key: Key) -> u64 {
    key as u64 ^ (key >> 64) as u64
}

impl<V> Recent<V> {
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Looks a value up, which is the one used last from now on.
    pub(crate) fn get(&mut self, key: Key) -> Option<&mut V> {
        let at = self.find(key)?;
        self.unchain(at);
        self.chain(at);
        self.entries.get_mut(at as usize)?.value.as_mut()
    }

    /// Puts a value in; what stood under the key.
    pub(crate) fn insert(&mut self, key: Key, value: V) -> Option<V> {
        if let Some(old) = self.get(key) {
            return Some(std::mem::replace(old, value));
        }
        let entry = Entry {
            key,
            newer: NONE,
            older: NONE,
            value: Some(value),
        };
        let at = match self.entries.get_mut(self.free as usize) {
            Some(free) => {
                let at = self.free;
                self.free = free.older;
                *free = entry;
                at
            }
            None => {
                let at = self.entries.len() as u32;
                self.entries.push(entry);
                at
            }
        };
        let entries = &self.entries;
        self.index.insert_unique(hash(key), at, |&at| {
            entries.get(at as usize).map_or(0, |entry| hash(entry.key))
        });
        self.chain(at);
        None
    }

    /// Takes a value out.
    pub(crate) fn remove(&mut self, key: Key) -> Option<V> {
        let at = self.find(key)?;
        self.take(at).map(|(_, value)| value)
    }

    /// Takes out what has been unused the longest.
    pub(crate) fn pop_oldest(&mut self) -> Option<(Key, V)> {
        self.take(self.oldest)
    }

    fn find(&self, key: Key) -> Option<u32> {
        let is_it = |&at: &u32| self.entries.get(at as usize).is_some_and(|e| e.key == key);
        self.index.find(hash(key), is_it).copied()
    }

    fn take(&mut self, at: u32) -> Option<(Key, V)> {
        let key = self.entries.get(at as usize)?.key;
        self.unchain(at);
        if let Ok(found) = self.index.find_entry(hash(key), |&other| other == at) {
            found.remove();
        }
        let free = self.free;
        let entry = self.entries.get_mut(at as usize)?;
        entry.older = free;
        self.free = at;
        Some((key, entry.value.take()?))
    }

    /// Makes an entry the newest one.
    fn chain(&mut self, at: u32) {
        let second = self.newest;
        if let Some(entry) = self.entries.get_mut(at as usize) {
            (entry.newer, entry.older) = (NONE, second);
        }
        match self.entries.get_mut(second as usize) {
            Some(second) => second.newer = at,
            None => self.oldest = at,
        }
        self.newest = at;
    }

    /// Takes an entry out of the order.
    fn unchain(&mut self, at: u32) {
        let Some(entry) = self.entries.get(at as usize) else {
            return;
        };
        let (newer, older) = (entry.newer, entry.older);
        match self.entries.get_mut(newer as usize) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        match self.entries.get_mut(older as usize) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unused_the_longest_goes_first() {
        let mut table = Recent::default();
        for key in 1..=4u128 {
            assert_eq!(table.insert(key, key * 10), None);
        }
        assert_eq!(table.get(1), Some(&mut 10));
        assert_eq!(table.insert(2, 21), Some(20));
        let order: Vec<_> = std::iter::from_fn(|| table.pop_oldest()).collect();
        assert_eq!(order, [(3, 30), (4, 40), (1, 10), (2, 21)]);
        assert_eq!(table.len(), 0);
    }

    /// Against a plain list, with everything mixed: many keys, few of them alive.
    #[test]
    fn it_does_what_a_list_would() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut table = Recent::default();
        let mut list: Vec<(u128, u32)> = Vec::new();
        for round in 0..20_000u32 {
            let key = u128::from(random.u64(..50));
            let at = list.iter().position(|(other, _)| *other == key);
            match random.u8(..4) {
                0 => {
                    let old = at.map(|at| list.remove(at).1);
                    list.push((key, round));
                    assert_eq!(table.insert(key, round), old);
                }
                1 => {
                    let found = at.map(|at| list.remove(at));
                    list.extend(found);
                    assert_eq!(table.get(key).copied(), found.map(|(_, value)| value));
                }
                2 => assert_eq!(table.remove(key), at.map(|at| list.remove(at).1)),
                _ if list.len() > 30 => assert_eq!(table.pop_oldest(), Some(list.remove(0))),
                _ => {}
            }
            assert_eq!(table.len(), list.len());
        }
        // Entries that became free were used again.
        assert!(table.entries.len() <= 50);
    }
}
