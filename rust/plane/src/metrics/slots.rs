//! Names to numbers: each pair of model and provider that was ever configured has one small number.
//!
//! Counters must not fall when a reload removes a model and brings it back, so a number is never given again. That
//! makes the table grow with the life of the process, hence the bound and the slot that everyone beyond it shares.

use std::sync::Mutex;

use crate::lock::lock;

use hashbrown::HashMap;

/// Pairs that have a slot of their own, the shared one included: at most 36 MB a thread, and a scrape of some
/// hundred megabytes, which is past any real configuration.
pub const SLOTS_MAX: usize = 65_536;

/// Labels of the slot that stands for all pairs past [`SLOTS_MAX`].
const OTHER: &str = "_other";

/// The number of a model and a provider. Resolved when a snapshot is built and copied from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot(u32);

impl Slot {
    /// The shared slot, for what belongs to no configured pair.
    pub const OTHER: Slot = Slot(0);

    #[inline]
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Model and provider.
pub(super) type Name = (Box<str>, Box<str>);

/// The table. Its lock is held for one look-up, or while a scrape copies the names; never by a request.
#[derive(Debug)]
pub(super) struct Slots {
    table: Mutex<Table>,
    slots_max: usize,
}

#[derive(Debug, Default)]
struct Table {
    names: Vec<Name>,
    numbers: HashMap<Name, u32, foldhash::fast::RandomState>,
}

impl Slots {
    pub(super) fn new() -> Slots {
        Slots::bounded(SLOTS_MAX)
    }

    fn bounded(slots_max: usize) -> Slots {
        let mut table = Table::default();
        table.names.push((OTHER.into(), OTHER.into()));
        table.numbers.insert((OTHER.into(), OTHER.into()), 0);
        Slots {
            table: Mutex::new(table),
            slots_max,
        }
    }

    pub(super) fn intern(&self, model: &str, provider: &str) -> Slot {
        let name: Name = (model.into(), provider.into());
        let mut table = lock(&self.table);
        if let Some(number) = table.numbers.get(&name) {
            return Slot(*number);
        }
        if table.names.len() >= self.slots_max {
            return Slot::OTHER;
        }
        let number = table.names.len() as u32;
        table.names.push(name.clone());
        table.numbers.insert(name, number);
        Slot(number)
    }

    /// All names, each at its number.
    pub(super) fn names(&self) -> Vec<Name> {
        lock(&self.table).names.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_keeps_its_number_and_different_pairs_differ() {
        let slots = Slots::new();
        let first = slots.intern("a/b", "openai");
        assert_ne!(first, slots.intern("a/b", "groq"));
        assert_ne!(first, slots.intern("a/c", "openai"));
        assert_eq!(first, slots.intern("a/b", "openai"));
        assert_eq!(
            slots.names()[first.index()],
            ("a/b".into(), "openai".into())
        );
    }

    #[test]
    fn pairs_past_the_bound_share_the_other_slot_and_known_ones_keep_theirs() {
        let slots = Slots::bounded(3);
        let known = slots.intern("one", "p");
        slots.intern("two", "p");
        assert_eq!(slots.intern("three", "p"), Slot::OTHER);
        assert_eq!(slots.intern("four", "p"), Slot::OTHER);
        assert_eq!(slots.intern("one", "p"), known);
        assert_eq!(slots.names().len(), 3);
    }

    #[test]
    fn the_other_slot_is_the_first() {
        let slots = Slots::new();
        assert_eq!(slots.intern(OTHER, OTHER), Slot::OTHER);
        assert_eq!(slots.names()[0], (OTHER.into(), OTHER.into()));
    }
}
