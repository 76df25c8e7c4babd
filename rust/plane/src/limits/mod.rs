//! What a request may cost, and how often may be asked: limits of keys, credits of the gateway, limits of free models.
//!
//! Money is limited in two places: a key may have a limit, by day, week, month or for ever, and the gateway may have credits. What a
//! request could cost is held back ([`Hold`]) before it is sent, and replaced by what it did cost when it is booked, so that
//! requests which run at the same time cannot spend the same dollar twice (checklist Z13). Nothing here waits for a database: the
//! counters ([`Spending`]) live in this process, survive swaps of the configuration, and are told once at the start what the
//! ledger knows of earlier processes ([`Limits::add`]).
//!
//! A key without limits, on a gateway without any, costs a branch before the request, and two additions at its end.

mod calendar;
mod hold;
mod rate;
mod spending;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

pub(crate) use hold::{Hold, hold};
pub(crate) use rate::{Bucket, frequency};
pub(crate) use spending::{Reset, Spending};

use crate::clock::unix_ms;
use crate::lock::lock;

/// All counters. Lives as long as the process.
#[derive(Debug)]
pub(crate) struct Limits {
    /// By the hash of the key, in hex. One of each key that was ever in the configuration of this process.
    keys: Mutex<HashMap<String, Arc<Meter>, foldhash::fast::RandomState>>,
    /// Of requests without a key.
    pub(crate) nobody: Meter,
    /// Of all requests.
    pub(crate) gateway: Spending,
    /// What was ever added to the credits, nano-dollars.
    pub(crate) credits: AtomicI64,
    /// Whether the ledger has been asked. Before that the credits are not known, and nobody is refused for them.
    pub(crate) credits_known: AtomicBool,
    pub(crate) free: rate::Free,
}

/// What is counted of one key.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) spending: Spending,
    /// What providers charged the owners of keys of the client's own.
    pub(crate) own: Spending,
    pub(crate) bucket: Bucket,
}

impl Meter {
    fn new(now_ms: u64) -> Meter {
        Meter {
            spending: Spending::new(now_ms),
            own: Spending::new(now_ms),
            bucket: Bucket::default(),
        }
    }
}

/// What the ledger knows of earlier processes. Twin of `turnout/ledger/spent.py`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spent {
    /// When it was asked, Unix milliseconds.
    at_ms: u64,
    /// By the hash of the key.
    keys: std::collections::HashMap<String, Sums>,
    /// What providers charged the owners of keys of the client's own, by the hash of the client's key.
    own: std::collections::HashMap<String, Sums>,
    /// Of all keys, those included that are not in the configuration any more. `None`: nothing new.
    gateway: Option<Sums>,
    /// All that was ever added to the credits, nano-dollars; it replaces what was known. `None`: nothing new.
    credits: Option<i64>,
    /// Requests of free models on the day of `at_ms`.
    free_requests: u32,
}

/// Nano-dollars: in all, and since the running day, week and month began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sums {
    pub(crate) total: i64,
    pub(crate) daily: i64,
    pub(crate) weekly: i64,
    pub(crate) monthly: i64,
}

/// What [`Limits::usage`] tells.
#[derive(Debug, Serialize)]
struct Usage {
    #[serde(flatten)]
    sums: Sums,
    /// What providers charged the owners of keys of the client's own; of one key only.
    own: Sums,
    /// Held back for requests that run.
    held: i64,
    /// Requests of free models today, of the whole gateway.
    free_requests: u32,
}

impl Limits {
    pub(crate) fn new(now_ms: u64) -> Limits {
        Limits {
            keys: Mutex::default(),
            nobody: Meter::new(now_ms),
            gateway: Spending::new(now_ms),
            credits: AtomicI64::new(0),
            credits_known: AtomicBool::new(false),
            free: rate::Free::default(),
        }
    }

    /// The counters of a key. Takes a lock: for the building of snapshots.
    pub(crate) fn of(&self, sha256: &str) -> Arc<Meter> {
        let mut keys = lock(&self.keys);
        let made = || Arc::new(Meter::new(unix_ms()));
        Arc::clone(keys.entry_ref(sha256).or_insert_with(made))
    }

    /// Adds what the ledger knows of earlier processes. The empty hash stands for requests without a key.
    pub(crate) fn add(&self, json: &[u8]) -> Result<(), serde_json::Error> {
        let spent: Spent = serde_json::from_slice(json)?;
        let now_ms = unix_ms();
        for (sha256, sums) in &spent.keys {
            match sha256.as_str() {
                "" => self.nobody.spending.add_sums(sums, spent.at_ms, now_ms),
                sha256 => (self.of(sha256).spending).add_sums(sums, spent.at_ms, now_ms),
            }
        }
        for (sha256, sums) in &spent.own {
            match sha256.as_str() {
                "" => self.nobody.own.add_sums(sums, spent.at_ms, now_ms),
                sha256 => self.of(sha256).own.add_sums(sums, spent.at_ms, now_ms),
            }
        }
        if let Some(sums) = &spent.gateway {
            self.gateway.add_sums(sums, spent.at_ms, now_ms);
        }
        if let Some(credits) = spent.credits {
            self.credits.store(credits, Ordering::Relaxed);
            self.credits_known.store(true, Ordering::Release);
        }
        self.free.add(spent.free_requests, spent.at_ms);
        Ok(())
    }

    /// What was charged to a key, as JSON; `None`: to the whole gateway. A key that is not known was charged nothing.
    pub(crate) fn usage(&self, sha256: Option<&str>) -> String {
        let now_ms = unix_ms();
        let none = Sums::default();
        let of = |meter: &Meter| {
            let spending = &meter.spending;
            (
                spending.sums(now_ms),
                spending.held(),
                meter.own.sums(now_ms),
            )
        };
        let (sums, held, own) = match sha256 {
            None => (self.gateway.sums(now_ms), self.gateway.held(), none),
            Some("") => of(&self.nobody),
            Some(sha256) => {
                let keys = lock(&self.keys);
                let meter = keys.get(sha256).map(Arc::clone);
                drop(keys);
                meter.map_or((none, 0, none), |meter| of(&meter))
            }
        };
        let usage = Usage {
            sums,
            own,
            held,
            free_requests: self.free.today(now_ms),
        };
        serde_json::to_string(&usage).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_ledger_knows_is_added_to_what_was_counted_since() {
        let limits = Limits::new(unix_ms());
        limits.of("ab").spending.add(5, unix_ms());
        let json = format!(
            r#"{{"at_ms":{},"keys":{{"ab":{{"total":100,"daily":10,"weekly":20,"monthly":30}},"":{{"total":1,"daily":0,"weekly":0,"monthly":0}}}},"own":{{"ab":{{"total":9,"daily":8,"weekly":8,"monthly":8}}}},"gateway":{{"total":101,"daily":10,"weekly":20,"monthly":30}},"credits":7000,"free_requests":3}}"#,
            unix_ms()
        );
        limits.add(json.as_bytes()).expect("it is read");
        let usage: serde_json::Value =
            serde_json::from_str(&limits.usage(Some("ab"))).expect("JSON");
        assert_eq!(
            usage,
            serde_json::json!({"total":105,"daily":15,"weekly":25,"monthly":35,"held":0,"free_requests":3,
                "own":{"total":9,"daily":8,"weekly":8,"monthly":8}})
        );
        assert!(limits.usage(Some("")).contains("\"total\":1,"));
        assert!(limits.usage(None).contains("\"total\":101,"));
        assert!(limits.usage(Some("cd")).contains("\"total\":0,"));
        assert_eq!(limits.credits.load(Ordering::Relaxed), 7000);
        assert!(limits.add(b"{}").is_err());
    }
}
