//! The plane without Python around it, for the bench: valgrind and strace see the hot path and nothing else.
//!
//! ```text
//! gateway --snapshot FILE --state DIR
//! ```
//!
//! `FILE` holds what `turnout.config.snapshot.encode` gives; its `server.listen` is bound. The first lines on standard
//! output are `listening on HOST:PORT`, one for each address. A thread takes booked generations from the journal and
//! commits them at the pace of the ledger's writer, so that the journal does the work that it does in a gateway. It ends
//! when standard input ends, and so it cannot outlive the script that started it.
//!
//! It keeps the system's allocator where the extension has mimalloc: valgrind counts the calls of `malloc`, and those
//! are the same.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use turnout_plane::Plane;

/// What the ledger's writer asks for by default.
const BATCH_RECORDS: usize = 1000;
/// How long it waits for the first record of a batch.
const BATCH_WAIT: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)).and_then(|(snapshot, state)| run(&snapshot, &state)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("gateway: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<(PathBuf, PathBuf), String> {
    let (mut snapshot, mut state) = (None, None);
    while let Some(word) = words.next() {
        let place = match word.as_str() {
            "--snapshot" => &mut snapshot,
            "--state" => &mut state,
            _ => {
                return Err(format!(
                    "expected --snapshot FILE --state DIR, not this: {word}"
                ));
            }
        };
        *place = Some(PathBuf::from(
            words
                .next()
                .ok_or_else(|| format!("a path is missing after {word}"))?,
        ));
    }
    snapshot
        .zip(state)
        .ok_or_else(|| "expected --snapshot FILE --state DIR".to_owned())
}

fn run(snapshot: &Path, state: &Path) -> Result<(), String> {
    let bytes =
        std::fs::read(snapshot).map_err(|error| format!("{}: {error}", snapshot.display()))?;
    let plane =
        Arc::new(Plane::new(&bytes, Vec::new(), None, state).map_err(|error| error.to_string())?);
    plane.start().map_err(|error| error.to_string())?;
    let stop = Arc::new(AtomicBool::new(false));
    let ledger = {
        let (plane, stop) = (Arc::clone(&plane), Arc::clone(&stop));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let (_records, token) = plane.drain_journal(BATCH_RECORDS, BATCH_WAIT);
                // A token that was just given is known.
                let _ = plane.commit_journal(token);
            }
        })
    };
    let mut out = io::stdout();
    for address in plane.addresses() {
        writeln!(out, "listening on {address}").map_err(|error| error.to_string())?;
    }
    out.flush().map_err(|error| error.to_string())?;
    // What is said on standard input does not matter; its end does.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    stop.store(true, Ordering::Relaxed);
    let _ = ledger.join();
    plane.stop();
    Ok(())
}
