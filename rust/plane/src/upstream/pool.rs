//! Kept connections, per thread and origin, last in first out.
//!
//! LIFO keeps few connections warm and lets the rest grow cold and be closed. Nothing is shared between threads, so
//! taking and giving are a hash look-up and a push. Before a kept connection is used it is asked whether the provider has
//! closed it; that costs a system call only if the kernel has already reported something.

use std::time::Duration;

use hashbrown::HashMap;

use super::connection::Connection;
use super::origin::Origin;
use crate::clock::Instant;

/// Kept connections per origin and thread; one more is closed instead of kept.
const IDLE_MAX: usize = 512;

#[derive(Default)]
pub(crate) struct Pool {
    shelves: HashMap<u64, Shelf, foldhash::fast::RandomState>,
}

struct Shelf {
    idle: Vec<(Connection, Instant)>,
    idle_time: Duration,
}

impl Pool {
    /// A live kept connection, the most recently used.
    pub(crate) fn take(&mut self, origin: &Origin, now: Instant) -> Option<Connection> {
        let shelf = self.shelves.get_mut(&origin.id)?;
        while let Some((connection, since)) = shelf.idle.pop() {
            if now.duration_since(since) >= origin.pool_idle_time {
                // Those below are older still.
                shelf.idle.clear();
                return None;
            }
            if !connection.is_stale() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose answer has been read to its end.
    pub(crate) fn give(&mut self, origin: &Origin, connection: Connection, now: Instant) {
        let shelf = self.shelves.entry(origin.id).or_insert_with(|| Shelf {
            idle: Vec::new(),
            idle_time: origin.pool_idle_time,
        });
        if shelf.idle.len() < IDLE_MAX {
            shelf.idle.push((connection, now));
        }
    }

    /// Closes what has been idle for too long or has been closed by the other side. Called once a second.
    pub(crate) fn sweep(&mut self) {
        let now = Instant::now();
        self.shelves.retain(|_, shelf| {
            let limit = shelf.idle_time;
            shelf.idle.retain(|(connection, since)| {
                now.duration_since(*since) < limit && !connection.is_stale()
            });
            !shelf.idle.is_empty()
        });
    }

    /// Number of kept connections.
    pub(crate) fn idle(&self) -> usize {
        self.shelves.values().map(|shelf| shelf.idle.len()).sum()
    }
}
