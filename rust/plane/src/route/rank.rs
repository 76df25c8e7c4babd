//! In which order the endpoints that may serve are tried.

use smallvec::SmallVec;
use turnout_wire::dialect::Op;

use super::Asking;
use crate::snapshot::{Endpoint, Provider};

/// [`Entry::place`] of an endpoint that `order` does not name.
pub(crate) const UNLISTED: usize = usize::MAX;

/// Endpoints that are ranked without an allocation.
const INLINE: usize = 24;

/// An endpoint that may serve, while its place is decided.
pub(crate) struct Entry<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) provider: &'a Provider,
    /// Which of the wanted models it is an endpoint of.
    pub(crate) model: usize,
    pub(crate) wire_index: usize,
    pub(crate) op: Op,
    /// Where `order` has it; [`UNLISTED`]: nowhere.
    pub(crate) place: usize,
}

/// Endpoints that may serve.
pub(crate) type Entries<'a> = SmallVec<[Entry<'a>; INLINE]>;

/// Puts the entries in the order in which they are tried, and drops those that no fallback may reach.
pub(crate) fn rank(asking: &Asking<'_>, entries: &mut Entries<'_>) {
    let Some(preferences) = asking.request.preferences() else {
        return;
    };
    // Stable: those that `order` does not name keep the configuration's order behind those that it does.
    entries.sort_by_key(|entry| (entry.model, entry.place));
    if !preferences.allow_fallbacks && preferences.order.is_empty() {
        entries.dedup_by_key(|entry| entry.model);
    }
}
