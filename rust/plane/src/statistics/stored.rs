//! Statistics outlive the process: what is remembered of endpoints and keys, as a file in the folder of state.
//!
//! Written every ten seconds when something happened, and at the end; read at the start. It is JSON, a kilobyte or two for an endpoint
//! that is in use and nothing for one that is not. A file that is too large, cannot be read, or was written by another version is left
//! out with a line in the log: an endpoint that nothing is known of is served all the same. So is one whose file cannot be written, on a
//! full disk for instance: that is said once, and tried again.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::history::{Answers, Calls, Clear, History, Period, Ring};
use super::{Name, Registry, Statistics};
use crate::clock::Moment;
use crate::lock::lock;

/// Name of the file in the folder of state.
const FILE: &str = "statistics.json";
/// What is read at most: thirty thousand endpoints in full use.
const BYTES_MAX: u64 = 64 << 20;
/// Changes with the meaning of anything below.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    endpoints: Vec<StoredEndpoint>,
    credentials: Vec<StoredCredential>,
}

#[derive(Serialize, Deserialize)]
struct StoredEndpoint {
    model: Box<str>,
    tag: Box<str>,
    failed_at: u64,
    served_at: u64,
    /// Cooldown until, breaker open until, times that it opened.
    rest: (u64, u64, u32),
    minutes: Vec<StoredPeriod>,
    fives: Vec<StoredPeriod>,
    /// Number of the period; served, failed, limited.
    hours: Vec<(u32, [u32; 3])>,
    /// Number of the period; answers, errors.
    quarters: Vec<(u32, [u32; 2])>,
}

#[derive(Serialize, Deserialize)]
struct StoredPeriod {
    number: u32,
    answers: [u32; 3],
    /// Of prompts, cached, of answers.
    tokens: [u64; 3],
    ttft: Vec<(u16, u16)>,
    speed: Vec<(u16, u16)>,
}

#[derive(Serialize, Deserialize)]
struct StoredCredential {
    provider: Box<str>,
    label: Box<str>,
    cooldown_until: u64,
}

impl Registry {
    /// Writes the file, and gives back a sentence for the log when that begins to fail or works again. `failing`: whether it failed the
    /// last time; a disk that stays full is told of once.
    pub(crate) fn save_telling(
        &self,
        folder: &Path,
        now: Moment,
        failing: &mut bool,
    ) -> Option<String> {
        let written = self.save(folder, now);
        match (&written, std::mem::replace(failing, written.is_err())) {
            (Err(error), false) => Some(format!(
                "statistics of endpoints cannot be stored in {}, and would be lost with a restart; it is tried again: {error}",
                folder.display()
            )),
            (Ok(()), true) => Some(format!(
                "statistics of endpoints can be stored again in {}",
                folder.display()
            )),
            _ => None,
        }
    }

    /// Writes the file, if anything happened since it was last written.
    pub(super) fn save(&self, folder: &Path, now: Moment) -> io::Result<()> {
        if !self.is_unsaved.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let beside = folder.join(format!("{FILE}.new"));
        let written = self
            .write(&beside, now)
            .and_then(|()| std::fs::rename(&beside, folder.join(FILE)));
        if written.is_err() {
            self.is_unsaved.store(true, Ordering::Relaxed);
            // On a full disk half a file is worse than none.
            let _ = std::fs::remove_file(&beside);
        }
        written
    }

    /// Writes it beside the old one first: whoever reads finds the old one or the new one, whole.
    fn write(&self, beside: &Path, now: Moment) -> io::Result<()> {
        let stored = Stored {
            version: VERSION,
            endpoints: lock(&self.table)
                .iter()
                .filter_map(|(name, statistics)| statistics.stored(name, now))
                .collect(),
            credentials: lock(&self.credentials)
                .iter()
                .map(|((provider, label), state)| StoredCredential {
                    provider: provider.clone(),
                    label: label.clone(),
                    cooldown_until: now.ms() + state.look(now).cooldown_ms,
                })
                .filter(|stored| stored.cooldown_until > now.ms())
                .collect(),
        };
        File::create(beside)?.write_all(&serde_json::to_vec(&stored)?)
    }

    /// Reads the file. What is wrong with it is given back as a sentence, and nothing of it is used then.
    pub(crate) fn restore(&self, folder: &Path, now: Moment) -> Result<(), String> {
        let path = folder.join(FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let mut text = Vec::new();
        file.take(BYTES_MAX + 1)
            .read_to_end(&mut text)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        if text.len() as u64 > BYTES_MAX {
            return Err(format!(
                "{} is larger than {BYTES_MAX} bytes",
                path.display()
            ));
        }
        let stored: Stored = serde_json::from_slice(&text).map_err(|error| {
            format!(
                "{} is not what this version writes: {error}",
                path.display()
            )
        })?;
        if stored.version != VERSION {
            return Err(format!(
                "{} has version {} where {VERSION} was expected",
                path.display(),
                stored.version
            ));
        }
        for endpoint in &stored.endpoints {
            let statistics = self.of(&endpoint.model, &endpoint.tag);
            statistics.restore(endpoint, now);
        }
        for credential in &stored.credentials {
            let left_ms = credential.cooldown_until.saturating_sub(now.ms());
            self.credential(&credential.provider, &credential.label)
                .cool(left_ms, now);
        }
        self.tick(now);
        Ok(())
    }
}

impl Statistics {
    /// `None`: nothing is remembered.
    fn stored(&self, (model, tag): &Name, now: Moment) -> Option<StoredEndpoint> {
        let history = self.history.get()?;
        let periods = |ring: &Ring<Period, 6>| -> Vec<StoredPeriod> {
            ring.numbered(now)
                .map(|(_, number, period)| StoredPeriod {
                    number,
                    answers: period.answers.counts(),
                    tokens: [&period.prompt, &period.cached, &period.completion]
                        .map(|sum| sum.load(Ordering::Relaxed)),
                    ttft: period.ttft.filled(),
                    speed: period.speed.filled(),
                })
                .collect()
        };
        Some(StoredEndpoint {
            model: model.clone(),
            tag: tag.clone(),
            failed_at: self.failed_at.load(Ordering::Relaxed),
            served_at: self.served_at.load(Ordering::Relaxed),
            rest: self.rest.stored(),
            minutes: periods(&history.minutes),
            fives: periods(&history.fives),
            hours: counts(&history.hours, now, Answers::counts),
            quarters: counts(&history.quarters, now, Calls::counts),
        })
    }

    fn restore(&self, stored: &StoredEndpoint, now: Moment) {
        let history: &History = self.history();
        // A clock that was set back since would have it fail for as long as that was.
        self.failed_at
            .store(stored.failed_at.min(now.ms()), Ordering::Relaxed);
        self.served_at
            .store(stored.served_at.min(now.ms()), Ordering::Relaxed);
        self.rest.restore(stored.rest, &self.tuning, now);
        for (ring, periods) in [
            (&history.minutes, &stored.minutes),
            (&history.fives, &stored.fives),
        ] {
            for stored in periods {
                let Some(period) = ring.remembered(stored.number, now) else {
                    continue;
                };
                period.answers.restore(stored.answers);
                for (sum, tokens) in [&period.prompt, &period.cached, &period.completion]
                    .into_iter()
                    .zip(stored.tokens)
                {
                    AtomicU64::store(sum, tokens, Ordering::Relaxed);
                }
                period.ttft.restore(&stored.ttft);
                period.speed.restore(&stored.speed);
            }
        }
        for (number, counts) in &stored.hours {
            if let Some(answers) = history.hours.remembered(*number, now) {
                answers.restore(*counts);
            }
        }
        for (number, counts) in &stored.quarters {
            if let Some(calls) = history.quarters.remembered(*number, now) {
                calls.restore(*counts);
            }
        }
        self.is_touched.store(true, Ordering::Relaxed);
    }
}

fn counts<T: Clear, const N: usize, const M: usize>(
    ring: &Ring<T, N>,
    now: Moment,
    counts: fn(&T) -> [u32; M],
) -> Vec<(u32, [u32; M])> {
    ring.numbered(now)
        .map(|(_, number, period)| (number, counts(period)))
        .collect()
}

fn load<const M: usize>(counts: [&AtomicU32; M]) -> [u32; M] {
    counts.map(|count| count.load(Ordering::Relaxed))
}

fn store<const M: usize>(counts: [&AtomicU32; M], values: [u32; M]) {
    for (count, value) in counts.into_iter().zip(values) {
        count.store(value, Ordering::Relaxed);
    }
}

impl Answers {
    fn counts(&self) -> [u32; 3] {
        load([&self.served, &self.failed, &self.limited])
    }

    fn restore(&self, counts: [u32; 3]) {
        store([&self.served, &self.failed, &self.limited], counts);
    }
}

impl Calls {
    fn counts(&self) -> [u32; 2] {
        load([&self.answers, &self.errors])
    }

    fn restore(&self, counts: [u32; 2]) {
        store([&self.answers, &self.errors], counts);
    }
}
