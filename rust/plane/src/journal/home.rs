//! Where segments live: one directory for each process, locked while the process lives.
//!
//! `<state>/journal/<pid>-<random>/` holds `lock` and the segments. The lock is `flock`, which the system releases
//! however a process ends, so "dead" needs no guess about process ids: whoever can take the lock of a directory may
//! adopt its segments. While SIGHUP replaces a worker both live, each in its own directory.
//!
//! Files that are not segments of our format (another version's, or damaged) are moved to `<state>/journal/unreadable/`
//! and counted: they may hold bookings that a person wants, so they are never deleted and never read twice.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::segment::{Found, Segment, try_lock, unlock};

const LOCK: &str = "lock";
const UNREADABLE: &str = "unreadable";
/// A name is taken, or another process removes the fresh directory as an orphan before it is locked: try another.
const ATTEMPTS_MAX: usize = 16;

/// A directory of segments whose lock this process holds until the value is dropped.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    lock: File,
}

/// What was found in the directory of a dead process.
#[derive(Debug)]
pub(super) struct Orphanage {
    pub(super) home: Home,
    /// Its segments that hold something, oldest first within each thread.
    pub(super) segments: Vec<Segment>,
    /// Files moved out of the way.
    pub(super) unreadable: u64,
    /// The last thing that went wrong, for the operator.
    pub(super) problem: Option<String>,
}

impl Home {
    /// Makes and locks a new directory below `root`, and `root` itself when absent.
    pub(super) fn make(root: &Path) -> io::Result<Home> {
        // Records name users and addresses: nobody but the owner reads them.
        DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for _ in 0..ATTEMPTS_MAX {
            let name = format!("{}-{:016x}", std::process::id(), fastrand::u64(..));
            match Home::make_named(root.join(name)) {
                Ok(Some(home)) => return Ok(home),
                Ok(None) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound
                    ) =>
                {
                    last = error;
                }
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// `None`: another process took the directory for an orphan before the lock was ours.
    fn make_named(path: PathBuf) -> io::Result<Option<Home>> {
        DirBuilder::new().mode(0o700).create(&path)?;
        let lock = path.join(LOCK);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock)?;
        if !try_lock(&file)? {
            return Ok(None);
        }
        // The file that we locked must still be the one that others will find under this name.
        match fs::metadata(&lock) {
            Ok(found) if found.ino() == file.metadata()?.ino() => {
                Ok(Some(Home { path, lock: file }))
            }
            _ => Ok(None),
        }
    }

    /// Where a segment of this process goes.
    pub(super) fn segment_path(&self, thread: usize, sequence: u64) -> PathBuf {
        self.path.join(format!("t{thread}-{sequence}.seg"))
    }

    /// Whether the directory is still there under its name.
    pub(super) fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// Removes the directory of a process that needs it no more, as [`Self::remove_if_empty`].
    pub(super) fn remove(self) {
        self.remove_if_empty();
    }

    /// Removes the directory if no segment is left in it. Otherwise, or when that fails, the next process adopts it.
    pub(super) fn remove_if_empty(&self) {
        let holds_segments = fs::read_dir(&self.path)
            .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name() != LOCK));
        if !holds_segments {
            let _ = fs::remove_file(self.path.join(LOCK));
            let _ = fs::remove_dir(&self.path);
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        unlock(&self.lock);
    }
}

/// Adopts every directory below `root` whose process is dead. A directory that cannot be read now is tried again at
/// the next call; the second value says what stood in the way.
pub(super) fn adopt(root: &Path) -> (Vec<Orphanage>, Option<String>) {
    let mut orphanages = Vec::new();
    let mut problem = None;
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) => {
            return (
                orphanages,
                Some(format!(
                    "cannot list the journal directory {}: {error}",
                    root.display()
                )),
            );
        }
    };
    for entry in entries.flatten() {
        if !is_home_name(&entry.file_name().to_string_lossy()) {
            continue;
        }
        match adopt_one(root, entry.path()) {
            Ok(Some(orphanage)) => orphanages.push(orphanage),
            Ok(None) => {}
            Err(error) => {
                problem = Some(format!(
                    "cannot adopt the journal of an ended process in {}: {error}",
                    entry.path().display()
                ));
            }
        }
    }
    (orphanages, problem)
}

/// `<pid>-<random>`.
fn is_home_name(name: &str) -> bool {
    name.split_once('-').is_some_and(|(pid, random)| {
        !pid.is_empty()
            && pid.bytes().all(|byte| byte.is_ascii_digit())
            && random.len() == 16
            && random.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// `None`: its process lives, or it was empty and is gone now.
fn adopt_one(root: &Path, path: PathBuf) -> io::Result<Option<Orphanage>> {
    let lock = match OpenOptions::new()
        .read(true)
        .write(true)
        .open(path.join(LOCK))
    {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Half made or half removed. Removing succeeds only when it is empty; its maker, if it lives, starts anew.
            let _ = fs::remove_dir(&path);
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if !try_lock(&lock)? {
        return Ok(None);
    }
    let mut found = Orphanage {
        home: Home {
            path: path.clone(),
            lock,
        },
        segments: Vec::new(),
        unreadable: 0,
        problem: None,
    };
    for entry in fs::read_dir(&path)? {
        let file = entry?.path();
        if file.extension().is_none_or(|extension| extension != "seg") {
            continue;
        }
        match Segment::adopt(file.clone())? {
            Found::Segment(segment) if segment.consumed() < segment.committed() => {
                found.segments.push(segment)
            }
            Found::Segment(_) | Found::Unfinished => {
                let _ = fs::remove_file(&file);
            }
            Found::Foreign(what) => {
                found.unreadable += 1;
                let kept = set_aside(root, &path, &file)?;
                found.problem = Some(format!(
                    "found {what}; moved it to {}, expected a journal segment of this version",
                    kept.display()
                ));
            }
        }
    }
    found
        .segments
        .sort_by_key(|segment| (segment.thread(), segment.order(), segment.sequence()));
    if found.segments.is_empty() && found.unreadable == 0 {
        found.home.remove();
        return Ok(None);
    }
    Ok(Some(found))
}

fn set_aside(root: &Path, home: &Path, file: &Path) -> io::Result<PathBuf> {
    let directory = root.join(UNREADABLE);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)?;
    let of = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let kept = directory.join(format!("{}-{}", of(home), of(file)));
    fs::rename(file, &kept)?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_a_process_makes_are_adopted() {
        assert!(is_home_name("4711-00ff00ff00ff00ff"));
        for other in [
            "unreadable",
            "4711",
            "4711-xyz",
            "-00ff00ff00ff00ff",
            "a1-00ff00ff00ff00ff",
            "4711-00ff00ff00ff00ff.bak",
        ] {
            assert!(!is_home_name(other), "{other}");
        }
    }
}
