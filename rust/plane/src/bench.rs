//! A door for the micro bench (`examples/route`): what a request costs until its endpoints are in order, without a socket.

use turnout_wire::request::Request;
use turnout_wire::usage::Usage;

use crate::clock::Instant;
use crate::edge::head::{HEADERS_MAX, Head};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::route::sticky::{Conversation, Table};
use crate::route::{self, Asking};
use crate::snapshot::{BadSnapshot, Snapshot};
use crate::statistics::Registry;
use crate::upstream::origin::Origins;

/// A configuration that requests are planned with.
#[allow(missing_debug_implementations, reason = "nobody prints a bench")]
pub struct Fleet {
    snapshot: Snapshot,
    table: Table,
    head: Head,
}

impl Fleet {
    /// Reads what `turnout.config.snapshot.encode` gives.
    pub fn read(bytes: &[u8]) -> Result<Fleet, BadSnapshot> {
        let metrics = Metrics::new(1, &[]);
        let (snapshot, _) = Snapshot::read(
            bytes,
            1,
            &Origins::default(),
            &metrics,
            &Registry::default(),
            &Limits::new(0),
        )?;
        let mut head = Head::default();
        head.read(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n\r\n",
            HEADERS_MAX,
        )
        .map_err(|refusal| BadSnapshot(refusal.message.into_owned()))?;
        Ok(Fleet {
            snapshot,
            table: Table::default(),
            head,
        })
    }

    /// Remembers that the conversation of a request is at the endpoint with this tag.
    pub fn served(&self, request: &Request, tag: &str) -> Result<(), String> {
        let now = Instant::now();
        let conversation = Conversation::new(&self.table, None, request, &self.head, now);
        let asking = Asking {
            snapshot: &self.snapshot,
            key: None,
            request,
            conversation: Some(&conversation),
            region: None,
            judged: None,
            trace: None,
        };
        let plan = route::plan(&asking).map_err(|refusal| refusal.message.into_owned())?;
        let mut candidates = plan.candidates.iter();
        let candidate = (candidates.find(|candidate| candidate.endpoint.tag == tag))
            .ok_or_else(|| format!("{tag}: no candidate has this tag"))?;
        let sticky = &self.snapshot.routing.sticky;
        conversation.served(candidate, &Usage::default(), sticky, now);
        Ok(())
    }

    /// Decides about a request; slugs and tags in the order in which they would be tried are given to `each`. An error is what the
    /// client would be told.
    pub fn plan(&self, request: &Request, mut each: impl FnMut(&str, &str)) -> Result<(), String> {
        let conversation =
            Conversation::new(&self.table, None, request, &self.head, Instant::now());
        let asking = Asking {
            snapshot: &self.snapshot,
            key: None,
            request,
            conversation: Some(&conversation),
            region: None,
            judged: None,
            trace: None,
        };
        let plan = route::plan(&asking).map_err(|refusal| refusal.message.into_owned())?;
        for candidate in &plan.candidates {
            each(candidate.slug, &candidate.endpoint.tag);
        }
        Ok(())
    }
}
