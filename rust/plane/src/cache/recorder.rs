//! An answer on its way to the client, copied for the cache.
//!
//! It copies what is about to be sent and holds nothing back. An answer that is larger than `cache.entry`, or that comes while too many
//! others are being copied, is passed on as ever and not kept.

use std::rc::Rc;

use turnout_wire::answer::Facts;
use turnout_wire::finish::Finish;
use turnout_wire::replay::Replay;

use super::store::{Entry, Store};
use super::{Ask, remote};
use crate::account::GenerationId;
use crate::route::Candidate;
use crate::snapshot::Snapshot;
use crate::thread::Thread;

/// Copies one answer.
pub(crate) struct Recorder<'a> {
    thread: &'a Rc<Thread>,
    snapshot: &'a Snapshot,
    pub(crate) ask: Ask,
    /// Whether the answer is a stream, and whether one of events.
    streamed: bool,
    events: bool,
    bytes: Vec<u8>,
    /// Bytes that are taken into account for it.
    reserved: usize,
    /// It will not be kept.
    given_up: bool,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(
        thread: &'a Rc<Thread>,
        snapshot: &'a Snapshot,
        ask: Ask,
        streamed: bool,
        array: bool,
    ) -> Recorder<'a> {
        Recorder {
            thread,
            snapshot,
            ask,
            streamed,
            events: streamed && !array,
            bytes: Vec::new(),
            reserved: 0,
            given_up: false,
        }
    }

    fn store(&self) -> &'a Store {
        &self.thread.shared.cache
    }

    /// Takes what is about to be sent.
    pub(crate) fn record(&mut self, part: &[u8]) {
        let cache = &self.snapshot.cache;
        let fits = self.bytes.len() + part.len() <= cache.entry_bytes;
        if self.given_up || !fits || !self.store().reserve(part.len(), cache.size_bytes) {
            self.given_up = true;
            self.bytes = Vec::new();
            return;
        }
        self.reserved += part.len();
        self.bytes.extend_from_slice(part);
    }

    /// The answer was whole: it is kept, unless it ended with an error.
    pub(crate) fn keep(
        self,
        id: &GenerationId,
        created_ms: u64,
        candidate: &Candidate<'_>,
        facts: &Facts,
    ) {
        if self.given_up || facts.finish == Some(Finish::Error) {
            return;
        }
        let Some(replay) = Replay::of(&self.bytes, self.events, id.as_str(), created_ms / 1000)
        else {
            return;
        };
        let entry = Entry {
            replay,
            stored_ms: crate::clock::unix_ms(),
            ttl_seconds: self.ask.ttl_seconds,
            source_id: id.as_str().to_owned(),
            streamed: self.streamed,
            model: candidate.slug.to_owned(),
            provider: candidate.provider.name.clone(),
            provider_slug: candidate.provider.slug.clone(),
            finish: facts.finish.map_or("", Finish::name).to_owned(),
            native_finish: facts
                .native_finish
                .as_deref()
                .unwrap_or_default()
                .to_owned(),
        };
        match &self.snapshot.cache.server {
            None => {
                let (key, max) = (self.ask.digest.short(), self.snapshot.cache.size_bytes);
                self.store().keep(key, entry, max);
            }
            Some(server) => remote::keep(self.thread, server, &self.ask.digest, &entry),
        }
    }
}

impl Drop for Recorder<'_> {
    fn drop(&mut self) {
        self.store().release(self.reserved);
    }
}
