//! One segment: a mapped stretch of bytes to which one thread appends frames in order and which one reader consumes.
//!
//! This is the only file of the journal that holds `unsafe`: it maps memory, and it makes the two system calls
//! (`posix_fallocate`, `flock`) that the standard library does not offer to our minimum compiler. What it gives to the
//! others is safe to use in any order.
//!
//! ```text
//! 0    magic, format, thread, sequence, length     written once, before the segment is handed out
//! 64   committed bytes, records, order             written by the appending thread
//! 128  consumed bytes, consumed records            written by the reader
//! 256  frames: u32 length, u32 CRC-32 of the payload, payload        (little-endian, unaligned)
//! ```
//!
//! A frame counts from the moment that `committed` covers it. The copy comes first and `committed` is stored with
//! release order, so whoever loads it with acquire order sees whole frames only: the reader in this process, and
//! after a `kill -9` the next process, which finds the same pages in the page cache. Only a loss of power can write
//! the pages to disk in another order; for that each frame carries its CRC.
//!
//! The writer's words and the reader's words lie on different cache lines, so that reading does not slow appending.
//!
//! A file is reserved in full when it is made: a store into a mapped hole of a full disk would be a `SIGBUS`, which
//! nothing can turn into an error. (Someone who truncates a live segment by hand still gets that signal.)
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use memmap2::{MmapMut, MmapOptions, MmapRaw};

/// Bytes before the first frame.
pub(super) const HEADER_BYTES: usize = 256;
/// Bytes of a frame before its payload.
pub(super) const FRAME_BYTES: usize = 8;

const MAGIC: &[u8; 8] = b"TurnJrnl";
const FORMAT: u64 = 1;

// Offsets of the header's words, each eight bytes.
const AT_FORMAT: usize = 8;
const AT_THREAD: usize = 16;
const AT_SEQUENCE: usize = 24;
const AT_LENGTH: usize = 32;
const AT_COMMITTED: usize = 64;
const AT_RECORDS: usize = 72;
const AT_ORDER: usize = 80;
const AT_CONSUMED: usize = 128;
const AT_CONSUMED_RECORDS: usize = 136;

/// Granule in which pages are faulted in ahead of the writer; a multiple of every page size Linux uses.
const POPULATE_GRANULE: usize = 64 << 10;

/// A mapped segment, shared by its writer ([`Tail`]) and the reader.
#[derive(Debug)]
pub(super) struct Segment {
    map: MmapRaw,
    place: Place,
    /// Number that tells this segment from the others of its thread.
    sequence: u64,
    /// Thread (of the process that made the segment) whose records it holds.
    thread: usize,
    /// Whether a [`Tail`] was given out; there is at most one in a segment's life.
    claimed: AtomicBool,
    /// Nobody will append any more: the segment was found in a dead process's directory.
    closed: bool,
    /// The segment after this one in its thread. Setting it seals this one. It makes the writer's hand-over to the
    /// reader a single store, so that the appending thread never takes a lock.
    next: OnceLock<Arc<Segment>>,
    /// Bytes from the start whose pages were faulted in ahead.
    populated: AtomicUsize,
}

#[derive(Debug)]
enum Place {
    /// A file, which survives the process.
    File(PathBuf),
    /// Anonymous memory, taken while no file was ready; counted against the budget until dropped.
    Memory(Arc<MemoryBudget>),
}

/// What [`Segment::adopt`] found.
#[derive(Debug)]
pub(super) enum Found {
    /// A segment with a valid header.
    Segment(Segment),
    /// A file whose maker died before it was ever used: it holds nothing.
    Unfinished,
    /// Not a segment of this format: what it says instead.
    Foreign(String),
}

/// A frame that cannot be read: its length or its checksum is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Torn;

impl Segment {
    /// Makes, reserves and maps a file of `bytes`. On an error no file is left behind.
    pub(super) fn create(
        path: PathBuf,
        thread: usize,
        sequence: u64,
        bytes: usize,
    ) -> io::Result<Segment> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let mapped =
            reserve(&file, bytes).and_then(|()| MmapOptions::new().len(bytes).map_raw(&file));
        match mapped {
            Ok(map) => {
                let segment = Segment::new(map, Place::File(path), thread, sequence, false);
                segment.write_header();
                Ok(segment)
            }
            Err(error) => {
                // The error that matters is the first one; a file that cannot be removed is empty and adopted later.
                let _ = std::fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// Takes a segment of anonymous memory. `None`: the budget is used up, or the system gives no memory.
    pub(super) fn memory(
        thread: usize,
        sequence: u64,
        bytes: usize,
        budget: &Arc<MemoryBudget>,
    ) -> Option<Segment> {
        if !budget.take(bytes) {
            return None;
        }
        let Ok(map) = MmapMut::map_anon(bytes) else {
            budget.give(bytes);
            return None;
        };
        let place = Place::Memory(Arc::clone(budget));
        let segment = Segment::new(MmapRaw::from(map), place, thread, sequence, false);
        segment.write_header();
        Some(segment)
    }

    /// Maps a file that a dead process left. The caller holds the lock of its directory.
    pub(super) fn adopt(path: PathBuf) -> io::Result<Found> {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        if length == 0 {
            return Ok(Found::Unfinished);
        }
        if length < HEADER_BYTES {
            return Ok(Found::Foreign(format!(
                "a file of {length} bytes, expected at least {HEADER_BYTES}"
            )));
        }
        let map = MmapOptions::new().len(length).map_raw(&file)?;
        let mut segment = Segment::new(map, Place::File(path), 0, 0, true);
        let magic = segment.word(0).load(Ordering::Relaxed).to_ne_bytes();
        let format = segment.word(AT_FORMAT).load(Ordering::Relaxed);
        if magic == [0; 8] {
            return Ok(Found::Unfinished);
        }
        if &magic != MAGIC {
            return Ok(Found::Foreign(
                "a file that does not begin as a journal segment does".to_owned(),
            ));
        }
        if format != FORMAT {
            return Ok(Found::Foreign(format!(
                "a segment of format {format}, expected format {FORMAT}"
            )));
        }
        let stated = segment.word(AT_LENGTH).load(Ordering::Relaxed);
        if stated != length as u64 {
            return Ok(Found::Foreign(format!(
                "a segment of {length} bytes whose header says {stated}"
            )));
        }
        segment.sequence = segment.word(AT_SEQUENCE).load(Ordering::Relaxed);
        segment.thread =
            usize::try_from(segment.word(AT_THREAD).load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        if segment.word(AT_CONSUMED).load(Ordering::Relaxed) > segment.committed() as u64 {
            // A torn header; to read again what was booked is harmless, to skip what was not is a loss.
            segment.set_consumed(0, 0);
        }
        Ok(Found::Segment(segment))
    }

    fn new(map: MmapRaw, place: Place, thread: usize, sequence: u64, closed: bool) -> Segment {
        Segment {
            map,
            place,
            sequence,
            thread,
            claimed: AtomicBool::new(closed),
            closed,
            next: OnceLock::new(),
            populated: AtomicUsize::new(0),
        }
    }

    fn write_header(&self) {
        self.word(AT_FORMAT).store(FORMAT, Ordering::Relaxed);
        self.word(AT_THREAD)
            .store(self.thread as u64, Ordering::Relaxed);
        self.word(AT_SEQUENCE)
            .store(self.sequence, Ordering::Relaxed);
        self.word(AT_LENGTH)
            .store(self.map.len() as u64, Ordering::Relaxed);
        // Last: a file without it counts as never finished.
        self.word(0)
            .store(u64::from_ne_bytes(*MAGIC), Ordering::Release);
    }

    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(super) fn thread(&self) -> usize {
        self.thread
    }

    /// Where the segment stands among those of its thread: the order in which they were taken into use.
    pub(super) fn order(&self) -> u64 {
        self.word(AT_ORDER).load(Ordering::Relaxed)
    }

    /// Size of the whole mapping.
    pub(super) fn bytes(&self) -> usize {
        self.map.len()
    }

    /// Bytes of frames that fit.
    pub(super) fn capacity(&self) -> usize {
        self.map.len().saturating_sub(HEADER_BYTES)
    }

    /// The file, unless the segment is in memory only.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Memory(_) => None,
        }
    }

    /// Bytes of whole frames, never more than there is room for, whatever a damaged header says.
    pub(super) fn committed(&self) -> usize {
        let stated = self.word(AT_COMMITTED).load(Ordering::Acquire);
        usize::try_from(stated)
            .unwrap_or(usize::MAX)
            .min(self.capacity())
    }

    /// Records committed; exact once sealed, else at most one ahead of [`Self::committed`].
    pub(super) fn records(&self) -> u64 {
        self.word(AT_RECORDS).load(Ordering::Relaxed)
    }

    /// Bytes that the ledger has.
    pub(super) fn consumed(&self) -> usize {
        usize::try_from(self.word(AT_CONSUMED).load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// Records that the ledger has.
    pub(super) fn consumed_records(&self) -> u64 {
        self.word(AT_CONSUMED_RECORDS).load(Ordering::Relaxed)
    }

    /// Notes what the ledger has. Called under the reader's lock only.
    pub(super) fn set_consumed(&self, bytes: usize, records: u64) {
        self.word(AT_CONSUMED_RECORDS)
            .store(records, Ordering::Relaxed);
        self.word(AT_CONSUMED)
            .store(bytes as u64, Ordering::Release);
    }

    /// Whether nobody appends any more. Load this before [`Self::committed`] to know that the latter is final.
    pub(super) fn sealed(&self) -> bool {
        self.closed || self.next.get().is_some()
    }

    /// The segment after this one in its thread, once there is one.
    pub(super) fn next(&self) -> Option<&Arc<Segment>> {
        self.next.get()
    }

    /// The payload of the frame at `at` and the place of the one after it.
    pub(super) fn frame(&self, at: usize, committed: usize) -> Result<(&[u8], usize), Torn> {
        let frames = self.frames(committed);
        let head = frames
            .get(at..)
            .and_then(|rest| rest.first_chunk::<FRAME_BYTES>())
            .ok_or(Torn)?;
        let [a, b, c, d, e, f, g, h] = *head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let checksum = u32::from_le_bytes([e, f, g, h]);
        let begin = at + FRAME_BYTES;
        let end = begin.checked_add(length).ok_or(Torn)?;
        let payload = frames.get(begin..end).ok_or(Torn)?;
        if payload.is_empty() || crc32fast::hash(payload) != checksum {
            return Err(Torn);
        }
        Ok((payload, end))
    }

    /// The frames up to `end`, at most what is committed.
    fn frames(&self, end: usize) -> &[u8] {
        let end = end.min(self.committed());
        // SAFETY: `committed` is at most the capacity, so the range lies in the mapping, which lives as long as
        // `self`. Nobody writes below `committed`: the one `Tail` writes above it, and moves it afterwards with
        // release order, which `committed()` acquires.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(HEADER_BYTES), end) }
    }

    /// Faults in the pages up to `ahead` bytes past what is committed, so that the appending thread does not: a first
    /// store into a page of a file may wait for the filesystem.
    pub(super) fn populate(&self, ahead: usize) {
        let wanted = (HEADER_BYTES + self.committed() + ahead)
            .next_multiple_of(POPULATE_GRANULE)
            .min(self.map.len());
        let done = self.populated.load(Ordering::Relaxed);
        if done >= wanted {
            return;
        }
        #[cfg(target_os = "linux")]
        if self
            .map
            .advise_range(memmap2::Advice::PopulateWrite, done, wanted - done)
            .is_err()
        {
            // Kernels before 5.14 do not know it. Then the appending thread takes the faults itself.
            self.populated.store(self.map.len(), Ordering::Relaxed);
            return;
        }
        self.populated.store(wanted, Ordering::Relaxed);
    }

    /// Copies what this segment holds into a new file with the same sequence, sealed. For segments in memory, once
    /// the disk takes files again.
    pub(super) fn copy_to(&self, path: PathBuf) -> io::Result<Segment> {
        let mut copy = Segment::create(path, self.thread, self.sequence, self.map.len())?;
        let committed = self.committed();
        let order = self.order();
        let records = self.records();
        let frames = self.frames(committed);
        // SAFETY: the copy is ours alone (`create_new` made the file, and it was not handed out yet), has the same
        // size, and is a different mapping.
        unsafe {
            std::ptr::copy_nonoverlapping(
                frames.as_ptr(),
                copy.map.as_mut_ptr().add(HEADER_BYTES),
                frames.len(),
            );
        }
        copy.word(AT_ORDER).store(order, Ordering::Relaxed);
        copy.word(AT_RECORDS).store(records, Ordering::Relaxed);
        copy.word(AT_COMMITTED)
            .store(frames.len() as u64, Ordering::Release);
        copy.closed = true;
        copy.claimed = AtomicBool::new(true);
        if let Some(next) = self.next.get() {
            let _ = copy.next.set(Arc::clone(next));
        }
        Ok(copy)
    }

    /// A word of the header.
    fn word(&self, at: usize) -> &AtomicU64 {
        debug_assert!(at.is_multiple_of(8) && at + 8 <= HEADER_BYTES);
        // SAFETY: every mapping has at least `HEADER_BYTES` bytes and begins at a page, so a multiple of eight is
        // aligned. The words of the header are only ever accessed as atomics.
        unsafe { &*self.map.as_mut_ptr().add(at).cast::<AtomicU64>() }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if let Place::Memory(budget) = &self.place {
            budget.give(self.map.len());
        }
    }
}

/// The right to append to a segment; there is one for each, held by one thread.
#[derive(Debug)]
pub(super) struct Tail {
    segment: Arc<Segment>,
    /// What `committed` says, kept here so that appending does not load it.
    at: usize,
    /// Records in the segment.
    records: u64,
}

impl Tail {
    /// Takes the right to append to a fresh segment and stamps its place in the thread's order. `None`: it was taken.
    pub(super) fn claim(segment: Arc<Segment>, order: u64) -> Option<Tail> {
        if segment.claimed.swap(true, Ordering::AcqRel) {
            return None;
        }
        segment.word(AT_ORDER).store(order, Ordering::Relaxed);
        Some(Tail {
            segment,
            at: 0,
            records: 0,
        })
    }

    pub(super) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Whether a payload of so many bytes can be appended.
    #[inline]
    pub(super) fn fits(&self, payload_bytes: usize) -> bool {
        payload_bytes
            <= self
                .segment
                .capacity()
                .saturating_sub(self.at)
                .saturating_sub(FRAME_BYTES)
    }

    /// Appends one frame and commits it. False, with nothing written: it does not fit, or it is empty.
    #[inline]
    pub(super) fn append(&mut self, payload: &[u8]) -> bool {
        let Ok(length) = u32::try_from(payload.len()) else {
            return false;
        };
        if length == 0 || !self.fits(payload.len()) {
            return false;
        }
        let checksum = crc32fast::hash(payload);
        let mut head = [0; FRAME_BYTES];
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4..].copy_from_slice(&checksum.to_le_bytes());
        // SAFETY: `fits` has shown that head and payload lie within the mapping. This `Tail` is the segment's only
        // one and `append` takes it mutably, so nobody else writes; the reader looks below `committed` only, which
        // is `self.at` until the store below.
        unsafe {
            let frame = self.segment.map.as_mut_ptr().add(HEADER_BYTES + self.at);
            std::ptr::copy_nonoverlapping(head.as_ptr(), frame, FRAME_BYTES);
            std::ptr::copy_nonoverlapping(payload.as_ptr(), frame.add(FRAME_BYTES), payload.len());
        }
        self.at += FRAME_BYTES + payload.len();
        self.records += 1;
        self.segment
            .word(AT_RECORDS)
            .store(self.records, Ordering::Relaxed);
        self.segment
            .word(AT_COMMITTED)
            .store(self.at as u64, Ordering::Release);
        true
    }

    /// Seals this segment with the one that follows it.
    pub(super) fn seal(self, next: Arc<Segment>) {
        // Only the holder of the one tail sets `next`, and it gives itself up here, so the cell is empty.
        let _ = self.segment.next.set(next);
    }
}

/// How much anonymous memory the segments of one journal may hold together.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    used: AtomicUsize,
    bytes_max: usize,
}

impl MemoryBudget {
    pub(super) fn new(bytes_max: usize) -> MemoryBudget {
        MemoryBudget {
            used: AtomicUsize::new(0),
            bytes_max,
        }
    }

    /// Bytes in use now.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let grown = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.bytes_max);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown)
            .is_ok()
    }

    fn give(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Gives the file its full length with blocks behind every byte.
#[cfg(target_os = "linux")]
fn reserve(file: &File, bytes: usize) -> io::Result<()> {
    let length =
        libc::off_t::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    loop {
        // SAFETY: a plain system call on a descriptor that `file` keeps open; it touches no memory of ours.
        match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length) } {
            0 => return Ok(()),
            libc::EINTR => {}
            errno => return Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// Gives the file its full length with blocks behind every byte, by writing them.
#[cfg(not(target_os = "linux"))]
fn reserve(mut file: &File, bytes: usize) -> io::Result<()> {
    use std::io::Write;
    let zeros = vec![0; 64 << 10];
    let mut left = bytes;
    while left > 0 {
        let step = left.min(zeros.len());
        file.write_all(&zeros[..step])?;
        left -= step;
    }
    Ok(())
}

/// Tries to take the exclusive lock of an open file, which the system releases when the process ends in any way.
/// False: another holds it.
pub(super) fn try_lock(file: &File) -> io::Result<bool> {
    loop {
        // SAFETY: a plain system call on a descriptor that `file` keeps open; it touches no memory of ours.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::WouldBlock => return Ok(false),
            io::ErrorKind::Interrupted => {}
            _ => return Err(error),
        }
    }
}

/// Gives the lock back now. Closing the file would not do while a process that was forked from this one meanwhile
/// still holds a copy of the descriptor.
pub(super) fn unlock(file: &File) {
    // SAFETY: a plain system call on a descriptor that `file` keeps open; it touches no memory of ours. It can fail
    // on a bad descriptor only.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) };
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: usize = HEADER_BYTES + 100;

    fn segment(budget: &Arc<MemoryBudget>) -> Arc<Segment> {
        Arc::new(Segment::memory(0, 0, BYTES, budget).expect("the budget suffices"))
    }

    #[test]
    fn a_segment_has_one_tail_in_its_life() {
        let segment = segment(&Arc::new(MemoryBudget::new(BYTES)));
        let tail = Tail::claim(Arc::clone(&segment), 3);
        assert!(tail.is_some());
        drop(tail);
        assert!(Tail::claim(Arc::clone(&segment), 4).is_none());
        assert_eq!(segment.order(), 3);
    }

    #[test]
    fn a_frame_fits_to_the_last_byte_and_not_beyond() {
        let segment = segment(&Arc::new(MemoryBudget::new(BYTES)));
        let mut tail = Tail::claim(Arc::clone(&segment), 0).expect("fresh");
        assert!(!tail.append(&[]));
        assert!(!tail.append(&[1; 93]));
        assert!(tail.append(&[1; 40]));
        assert!(!tail.append(&[2; 45]));
        assert!(tail.append(&[2; 44]));
        assert!(!tail.append(&[3]));
        let committed = segment.committed();
        assert_eq!((committed, segment.records()), (100, 2));
        assert_eq!(segment.frame(0, committed), Ok((&[1; 40][..], 48)));
        assert_eq!(segment.frame(48, committed), Ok((&[2; 44][..], 100)));
        // Neither behind the end nor between frames, nor past what the caller calls committed.
        for at in [1, 47, 93, 100, 101, usize::MAX] {
            assert_eq!(segment.frame(at, committed), Err(Torn), "{at}");
        }
        assert_eq!(segment.frame(48, 99), Err(Torn));
    }

    #[test]
    fn memory_is_counted_while_the_segment_lives_and_never_past_the_budget() {
        let budget = Arc::new(MemoryBudget::new(BYTES + BYTES / 2));
        let first = segment(&budget);
        assert_eq!(budget.used(), BYTES);
        assert!(Segment::memory(0, 1, BYTES, &budget).is_none());
        drop(first);
        assert_eq!(budget.used(), 0);
        segment(&budget);
    }

    #[test]
    fn a_segment_is_sealed_by_the_one_that_follows_it() {
        let budget = Arc::new(MemoryBudget::new(2 * BYTES));
        let (first, second) = (segment(&budget), segment(&budget));
        let tail = Tail::claim(Arc::clone(&first), 0).expect("fresh");
        assert!(!first.sealed());
        tail.seal(Arc::clone(&second));
        assert!(first.sealed() && !second.sealed());
        assert!(first.next().is_some_and(|next| Arc::ptr_eq(next, &second)));
    }
}
