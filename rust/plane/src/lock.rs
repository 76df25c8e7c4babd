//! Taking a lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock whose holder panicked guards plain values that are valid at every step, so it is taken over.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
