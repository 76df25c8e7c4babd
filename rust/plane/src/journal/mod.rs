//! The journal: a booked generation survives `kill -9` without a system call on the request's thread.
//!
//! Each data-plane thread appends to its own memory-mapped file ([`Writer`]); the pages belong to the kernel from the
//! moment of the store, so the death of the process does not touch them. The control side takes batches
//! ([`Journal::drain`]), books them, and says so ([`Journal::commit`]). Whatever was not committed when a process
//! ended is adopted by the next one that starts on the same state directory, or by one that already runs there. A
//! batch may therefore be delivered twice, never not at all; the ledger is idempotent on the generation's id.
//!
//! **Who does what.** A writer copies bytes and nothing else. Files are made, reserved, faulted in, adopted and
//! removed by [`Journal::tend`], which the background thread calls every 50–200 ms. A writer that fills its segment
//! takes the one that was prepared; the hand-over to the reader is one store, so a writer never waits for a lock.
//!
//! **When the disk fails.** No request is blocked, failed or crashed by it. Without a prepared file a writer turns to
//! anonymous memory, which loses nothing while the process lives; `tend` copies such segments to files once it can.
//! Memory is bounded by [`Options::memory_bytes_max`], files by [`Options::disk_bytes_max`] (adopted ones included).
//! Beyond both, records are dropped and counted, and [`Stats::disk_error`] says what stands in the way.
//!
//! Files: `pack` writes MessagePack, `segment` is one mapped stretch, `home` the directories and their locks,
//! `reader` the batches.

mod home;
pub mod pack;
mod reader;
mod segment;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::lock::lock;

use arc_swap::ArcSwapOption;

use home::Home;
use reader::{Counts, Reader, Swept};
use segment::{FRAME_BYTES, HEADER_BYTES, MemoryBudget, Segment, Tail};

pub use reader::UnknownToken;

/// Smallest segment that makes sense: a few records.
const SEGMENT_BYTES_MIN: usize = 4 << 10;
/// A frame's length is a `u32`, and so is far from it.
const SEGMENT_BYTES_MAX: usize = 1 << 30;
/// Smallest memory segment, unless segments are smaller.
const MEMORY_SEGMENT_BYTES_MIN: usize = 64 << 10;
/// What a writer keeps of its packing buffer after a large record.
const BUFFER_BYTES_KEPT: usize = 64 << 10;
/// Pages are faulted in so far ahead of each writer. At 200 ms between two `tend`s it covers 2.5 MB/s a thread, some
/// 3,000 requests a second; a faster thread takes some faults itself, and an idle one holds no more memory than this.
const POPULATE_AHEAD_BYTES: usize = 512 << 10;
/// How often a waiting `drain` looks, at first and at most. Writers do not wake it: waking would cost a system call.
const POLL_FIRST: Duration = Duration::from_millis(5);
const POLL_MAX: Duration = Duration::from_millis(20);

/// Bounds and periods.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes of a segment, header included; 4 KiB to 1 GiB, default 8 MiB: some twelve thousand records, so a switch is
    /// rare, and an idle thread's two segments hold little disk. A record that does not fit into a whole segment is
    /// dropped and counted.
    pub segment_bytes: usize,
    /// Bytes of all segment files, adopted ones included; default 1 GiB, above a million records. At the bound no
    /// file is made until the ledger has caught up.
    pub disk_bytes_max: u64,
    /// Bytes of all segments in anonymous memory; default 64 MiB. At the bound records are dropped and counted.
    pub memory_bytes_max: usize,
    /// How often directories of dead processes are looked for; default 2 s. Zero: at each [`Journal::tend`].
    pub adopt_every: Duration,
    /// How long after a failure to make a file the next attempt is made; default 500 ms, so that a full disk is not
    /// asked twenty times a second. Zero: at each [`Journal::tend`].
    pub retry_every: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            segment_bytes: 8 << 20,
            disk_bytes_max: 1 << 30,
            memory_bytes_max: 64 << 20,
            adopt_every: Duration::from_secs(2),
            retry_every: Duration::from_millis(500),
        }
    }
}

/// What an operator needs to know about the journal. Counts are since the journal was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records appended or adopted that the ledger does not have yet. After damage an estimate.
    pub pending_records: u64,
    /// Their bytes, framing included.
    pub pending_bytes: u64,
    /// Bytes of segment files that exist now.
    pub disk_bytes: u64,
    /// Bytes of segments in anonymous memory now; more than zero means that a crash would lose records.
    pub memory_bytes: u64,
    /// Memory segments that had to be taken because no file was ready.
    pub memory_segments: u64,
    /// Records appended by this process.
    pub appended: u64,
    /// Records adopted from ended processes.
    pub adopted: u64,
    /// Records lost: too large, or both bounds were reached.
    pub dropped: u64,
    /// Places where a segment could not be read on, and files that are no segments.
    pub corrupt: u64,
    /// Why files cannot be made or adopted at present; `None` when they can.
    pub disk_error: Option<String>,
}

/// The journal of a process; shared by its writers, its background thread and its consumer.
#[derive(Debug)]
pub struct Journal {
    root: PathBuf,
    options: Options,
    /// One for each thread, at the thread's index.
    threads: Box<[Thread]>,
    memory: Arc<MemoryBudget>,
    memory_segments: AtomicU64,
    counts: Counts,
    /// Held while a batch is copied or a commit is marked; no file is touched under it, and no request takes it.
    reader: Mutex<Reader>,
    /// Held by `tend` for its whole run.
    keeper: Mutex<Keeper>,
    disk_bytes: AtomicU64,
    /// Written by `tend`, read by `stats`; held for the copy of a text.
    problems: Mutex<Problems>,
}

/// What one writer shares with the rest. A line of its own, as each thread writes its own at each record.
#[derive(Debug)]
#[repr(align(128))]
struct Thread {
    /// The prepared segment, and whether there is one (cheaper to ask).
    ready: ArcSwapOption<Segment>,
    is_ready: AtomicBool,
    /// Number of the next segment made for this thread, by whomever.
    sequence: AtomicU64,
    /// Counters with one writer: loaded and stored, never locked.
    appended_records: AtomicU64,
    appended_bytes: AtomicU64,
    dropped: AtomicU64,
    /// The right to append while no [`Writer`] holds it.
    parked: Mutex<Option<Parked>>,
}

#[derive(Debug)]
struct Parked {
    tail: Tail,
    order: u64,
}

/// State of [`Journal::tend`].
#[derive(Debug)]
struct Keeper {
    home: Home,
    create_after: Option<Instant>,
    adopt_after: Option<Instant>,
}

#[derive(Debug, Default)]
struct Problems {
    create: Option<String>,
    adopt: Option<String>,
}

impl Journal {
    /// Makes this process's directory below `<state_dir>/journal`, one segment for each of `threads`, and adopts what
    /// ended processes left. Fails when the directory cannot be made or the options make no sense; a disk that is
    /// merely full is no failure.
    pub fn open(state_dir: &Path, threads: usize, options: Options) -> io::Result<Arc<Journal>> {
        check(&options)?;
        let root = state_dir.join("journal");
        let home = Home::make(&root).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot make a journal directory in {}: {error}; check `state_dir` and its owner", root.display()),
            )
        })?;
        let journal = Journal {
            root,
            threads: (0..threads).map(|_| Thread::new()).collect(),
            memory: Arc::new(MemoryBudget::new(options.memory_bytes_max)),
            memory_segments: AtomicU64::new(0),
            counts: Counts::default(),
            reader: Mutex::default(),
            keeper: Mutex::new(Keeper {
                home,
                create_after: None,
                adopt_after: None,
            }),
            disk_bytes: AtomicU64::new(0),
            problems: Mutex::default(),
            options,
        };
        {
            let mut keeper = lock(&journal.keeper);
            // Adoption first: what was left behind counts against the bound before new files do.
            journal.adopt(&mut keeper);
            for (index, thread) in journal.threads.iter().enumerate() {
                let made = journal
                    .create(&mut keeper, index)
                    .or_else(|| journal.take_memory(index, 0));
                let first = made.map(Arc::new).ok_or_else(|| {
                    io::Error::new(
                        io::ErrorKind::OutOfMemory,
                        "the journal has neither disk nor memory for a segment",
                    )
                })?;
                lock(&journal.reader).add_live(Arc::clone(&first));
                let tail = Tail::claim(first, 0);
                *lock(&thread.parked) = tail.map(|tail| Parked { tail, order: 1 });
            }
            journal.prepare(&mut keeper);
        }
        Ok(Arc::new(journal))
    }

    /// The writer of a thread.
    ///
    /// # Panics
    /// When `thread` is not below the number given to [`Journal::open`], or its writer is already out: two writers
    /// would interleave their frames.
    pub fn writer(self: &Arc<Self>, thread: usize) -> Writer {
        let parked = lock(&self.threads[thread].parked).take();
        let Parked { tail, order } = parked.expect("a thread's writer is given out once at a time");
        Writer {
            in_memory: tail.segment().path().is_none(),
            tail: Some(tail),
            order,
            thread,
            buffer: Vec::with_capacity(4 << 10),
            journal: Arc::clone(self),
        }
    }

    /// Removes what was consumed, prepares segments, saves what is in memory only, adopts the dead. Called by one
    /// background thread every 50–200 ms; may do file IO for milliseconds.
    pub fn tend(&self) {
        let mut keeper = lock(&self.keeper);
        self.sweep();
        self.prepare(&mut keeper);
        self.rescue(&mut keeper, false);
        self.adopt(&mut keeper);
    }

    /// Takes up to `records_max` records: one MessagePack array of them, and the token that commits it.
    ///
    /// Oldest first within each thread, in turns between threads. Waits up to `wait` for the first record; an empty
    /// array when none came. Until the commit the same records are returned again (fewer when `records_max` is
    /// smaller, not more). For one consumer.
    pub fn drain(&self, records_max: usize, wait: Duration) -> (Vec<u8>, u64) {
        let begun = Instant::now();
        let mut pause = POLL_FIRST;
        loop {
            let (batch, token, records) = lock(&self.reader).drain(records_max, &self.counts);
            if records > 0 || records_max == 0 {
                return (batch, token);
            }
            // Looking at the counters is enough while nothing is there.
            loop {
                let left = wait.saturating_sub(begun.elapsed());
                if left.is_zero() {
                    return (batch, token);
                }
                std::thread::sleep(pause.min(left));
                pause = (pause * 3 / 2).min(POLL_MAX);
                if !self.is_empty() {
                    break;
                }
            }
        }
    }

    /// Forgets the records that came with this token: the ledger has them. Again for the same token: no effect.
    pub fn commit(&self, token: u64) -> Result<(), UnknownToken> {
        lock(&self.reader).commit(token, &self.counts)
    }

    /// What there is to know; takes no lock that is held during IO.
    pub fn stats(&self) -> Stats {
        let relaxed = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let sum = |of: fn(&Thread) -> &AtomicU64| {
            self.threads
                .iter()
                .map(|thread| relaxed(of(thread)))
                .sum::<u64>()
        };
        // What was consumed is loaded before what was appended, so that their difference is never below the truth.
        let consumed_records = relaxed(&self.counts.consumed_records);
        let appended = sum(|thread| &thread.appended_records);
        let adopted = relaxed(&self.counts.adopted_records);
        let problems = lock(&self.problems);
        Stats {
            pending_records: (appended + adopted).saturating_sub(consumed_records),
            pending_bytes: self.pending_bytes(),
            disk_bytes: relaxed(&self.disk_bytes),
            memory_bytes: self.memory.used() as u64,
            memory_segments: relaxed(&self.memory_segments),
            appended,
            adopted,
            dropped: sum(|thread| &thread.dropped),
            corrupt: relaxed(&self.counts.corrupt),
            disk_error: problems.create.clone().or_else(|| problems.adopt.clone()),
        }
    }

    /// Whether the ledger has everything.
    pub fn is_empty(&self) -> bool {
        self.pending_bytes() == 0
    }

    fn pending_bytes(&self) -> u64 {
        let consumed = self.counts.consumed_bytes.load(Ordering::Acquire);
        let appended: u64 = self
            .threads
            .iter()
            .map(|thread| thread.appended_bytes.load(Ordering::Acquire))
            .sum();
        (appended + self.counts.adopted_bytes.load(Ordering::Acquire)).saturating_sub(consumed)
    }

    /// Bytes of frames in a fresh segment.
    fn capacity(&self) -> usize {
        self.options.segment_bytes - HEADER_BYTES
    }

    /// Makes a segment file, unless the bound or a recent failure forbids it.
    fn create(&self, keeper: &mut Keeper, thread: usize) -> Option<Segment> {
        if keeper
            .create_after
            .is_some_and(|after| Instant::now() < after)
        {
            return None;
        }
        let made = self.path_for(keeper, thread).and_then(|(path, sequence)| {
            let made = Segment::create(path.clone(), thread, sequence, self.options.segment_bytes);
            made.map_err(|error| cannot_reserve(&path, self.options.segment_bytes, &error))
        });
        self.made(keeper, made)
    }

    /// Books the making of a file, or notes why it could not be made.
    fn made(&self, keeper: &mut Keeper, made: Result<Segment, String>) -> Option<Segment> {
        match made {
            Ok(segment) => {
                self.disk_bytes
                    .fetch_add(segment.bytes() as u64, Ordering::Relaxed);
                keeper.create_after = None;
                lock(&self.problems).create = None;
                Some(segment)
            }
            Err(problem) => {
                keeper.create_after = Instant::now().checked_add(self.options.retry_every);
                lock(&self.problems).create = Some(problem);
                None
            }
        }
    }

    /// The place for a thread's next file. An error when the bound on files is reached, or the directory is gone and
    /// cannot be made anew.
    fn path_for(&self, keeper: &mut Keeper, thread: usize) -> Result<(PathBuf, u64), String> {
        let (used, bound) = (
            self.disk_bytes.load(Ordering::Relaxed),
            self.options.disk_bytes_max,
        );
        if used.saturating_add(self.options.segment_bytes as u64) > bound {
            return Err(format!(
                "the journal holds {used} bytes of files, its bound is {bound}; check why the ledger does not take them"
            ));
        }
        if !keeper.home.exists() {
            // Someone removed it under us. What is mapped stays readable for this process; new files need a place.
            keeper.home = Home::make(&self.root).map_err(|error| {
                format!(
                    "cannot make a journal directory in {}: {error}",
                    self.root.display()
                )
            })?;
        }
        let sequence = self.threads[thread]
            .sequence
            .fetch_add(1, Ordering::Relaxed);
        Ok((keeper.home.segment_path(thread, sequence), sequence))
    }

    /// Anonymous memory for at least one payload of so many bytes.
    fn take_memory(&self, thread: usize, payload_bytes: usize) -> Option<Segment> {
        // A quarter of a thread's share, so that each thread gets some and none wastes much; larger for a large record.
        let share = self.options.memory_bytes_max / self.threads.len().max(1) / 4;
        let usual = share
            .max(MEMORY_SEGMENT_BYTES_MIN)
            .min(self.options.segment_bytes);
        let bytes = usual.max(HEADER_BYTES + FRAME_BYTES + payload_bytes);
        let sequence = self.threads[thread]
            .sequence
            .fetch_add(1, Ordering::Relaxed);
        let segment = Segment::memory(thread, sequence, bytes, &self.memory)?;
        self.memory_segments.fetch_add(1, Ordering::Relaxed);
        Some(segment)
    }

    /// Sees to it that each thread finds a segment ready, and that the pages it writes next are there.
    fn prepare(&self, keeper: &mut Keeper) {
        for (index, thread) in self.threads.iter().enumerate() {
            if !thread.is_ready.load(Ordering::Acquire) {
                let Some(segment) = self.create(keeper, index) else {
                    break;
                };
                thread.ready.store(Some(Arc::new(segment)));
                thread.is_ready.store(true, Ordering::Release);
            }
        }
        let current = lock(&self.reader).appended_to();
        for segment in current {
            if segment.path().is_none() {
                continue;
            }
            segment.populate(POPULATE_AHEAD_BYTES);
            let left = segment.capacity().saturating_sub(segment.committed());
            if left < POPULATE_AHEAD_BYTES
                && let Some(ready) = self
                    .threads
                    .get(segment.thread())
                    .and_then(|thread| thread.ready.load_full())
            {
                ready.populate(POPULATE_AHEAD_BYTES - left);
            }
        }
    }

    /// Copies sealed segments that are in memory only to files, while there is room for them.
    fn rescue(&self, keeper: &mut Keeper, all: bool) {
        let in_memory = lock(&self.reader).in_memory(all);
        for (lane, segment) in in_memory {
            if keeper
                .create_after
                .is_some_and(|after| Instant::now() < after)
            {
                return;
            }
            let copied = self.path_for(keeper, segment.thread()).and_then(|_| {
                // The copy keeps its sequence, by which the reader knows it; no file has that name, as the number was
                // given to a segment without one.
                let path = keeper
                    .home
                    .segment_path(segment.thread(), segment.sequence());
                segment
                    .copy_to(path.clone())
                    .map_err(|error| cannot_reserve(&path, segment.bytes(), &error))
            });
            let Some(copy) = self.made(keeper, copied) else {
                return;
            };
            let unplaced = lock(&self.reader).replace(lane, copy);
            if let Some(copy) = unplaced {
                self.unlink(&copy);
            }
        }
    }

    /// Adopts the directories of ended processes, when it is time to look.
    fn adopt(&self, keeper: &mut Keeper) {
        if keeper
            .adopt_after
            .is_some_and(|after| Instant::now() < after)
        {
            return;
        }
        keeper.adopt_after = Instant::now().checked_add(self.options.adopt_every);
        let (orphanages, mut problem) = home::adopt(&self.root);
        for orphanage in orphanages {
            let bytes: u64 = orphanage
                .segments
                .iter()
                .map(|segment| segment.bytes() as u64)
                .sum();
            self.disk_bytes.fetch_add(bytes, Ordering::Relaxed);
            self.counts
                .corrupt
                .fetch_add(orphanage.unreadable, Ordering::Relaxed);
            problem = orphanage.problem.or(problem);
            let empty =
                lock(&self.reader).add_adopted(orphanage.home, orphanage.segments, &self.counts);
            if let Some(home) = empty {
                home.remove();
            }
        }
        // An unreadable file stays a problem until the process ends: it was moved, and is not found again.
        if problem.is_some() || self.counts.corrupt.load(Ordering::Relaxed) == 0 {
            lock(&self.problems).adopt = problem;
        }
    }

    /// Removes the files that the ledger has whole.
    fn sweep(&self) {
        let Swept { segments, homes } = lock(&self.reader).sweep();
        for segment in &segments {
            self.unlink(segment);
        }
        for home in homes {
            home.remove();
        }
    }

    fn unlink(&self, segment: &Segment) {
        if let Some(path) = segment.path() {
            // Not there, or not removable: either way it is consumed, and whoever adopts it sees that.
            let _ = fs::remove_file(path);
            self.disk_bytes
                .fetch_sub(segment.bytes() as u64, Ordering::Relaxed);
        }
    }
}

impl Drop for Journal {
    /// The writers are gone. Files that hold nothing unread go first, so that what is in memory only can be saved in
    /// their place; what is left then is for the next process.
    fn drop(&mut self) {
        self.sweep();
        let current = lock(&self.reader).segments().cloned().collect::<Vec<_>>();
        let ready = self
            .threads
            .iter()
            .filter_map(|thread| thread.ready.swap(None));
        for segment in current.into_iter().chain(ready) {
            if segment.consumed() >= segment.committed() {
                self.unlink(&segment);
            }
        }
        let mut keeper = lock(&self.keeper);
        keeper.create_after = None;
        self.rescue(&mut keeper, true);
        keeper.home.remove_if_empty();
    }
}

impl Thread {
    fn new() -> Thread {
        Thread {
            ready: ArcSwapOption::empty(),
            is_ready: AtomicBool::new(false),
            sequence: AtomicU64::new(0),
            appended_records: AtomicU64::new(0),
            appended_bytes: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            parked: Mutex::new(None),
        }
    }
}

/// The appending end of one thread. Dropping it gives the place back, so that a thread that starts anew can go on.
#[derive(Debug)]
pub struct Writer {
    journal: Arc<Journal>,
    thread: usize,
    /// `None` only while the writer turns from one segment to the next, and when dropped.
    tail: Option<Tail>,
    in_memory: bool,
    /// Place of the next segment in this thread's order.
    order: u64,
    /// Where a record is packed before it is copied: its length and checksum must be known first.
    buffer: Vec<u8>,
}

impl Writer {
    /// Packs one record with `fill` (which appends exactly one MessagePack value) and commits it. False: it was
    /// dropped and counted, because it is empty, larger than a segment, or every bound is reached. Never waits.
    ///
    /// Beside packing it costs some 460 instructions for a record of 500 bytes (callgrind, release build, x86-64 with
    /// PCLMULQDQ), 310 of them the checksum.
    #[inline]
    pub fn append(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.buffer.clear();
        fill(&mut self.buffer);
        self.append_packed()
    }

    fn append_packed(&mut self) -> bool {
        let bytes = self.buffer.len();
        let appended = match &mut self.tail {
            // The usual case. A writer in memory turns to a file as soon as there is one.
            Some(tail) if tail.fits(bytes) && !self.in_memory => tail.append(&self.buffer),
            _ => self.append_elsewhere(bytes),
        };
        let thread = &self.journal.threads[self.thread];
        if appended {
            add(&thread.appended_records, 1);
            add(&thread.appended_bytes, (FRAME_BYTES + bytes) as u64);
        } else {
            add(&thread.dropped, 1);
        }
        if self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer.clear();
            self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        }
        appended
    }

    /// Turns to another segment if need be, then appends.
    #[cold]
    fn append_elsewhere(&mut self, bytes: usize) -> bool {
        if bytes == 0 || bytes > self.journal.capacity() - FRAME_BYTES {
            return false;
        }
        let fits = self.tail.as_ref().is_some_and(|tail| tail.fits(bytes));
        if let Some(next) = self.next_segment(fits, bytes) {
            self.turn_to(next);
        }
        self.tail
            .as_mut()
            .is_some_and(|tail| tail.append(&self.buffer))
    }

    /// The prepared file, or, when the current segment is full, memory.
    fn next_segment(&self, fits: bool, bytes: usize) -> Option<Arc<Segment>> {
        let thread = &self.journal.threads[self.thread];
        if thread.is_ready.load(Ordering::Acquire) {
            let ready = thread.ready.swap(None);
            thread.is_ready.store(false, Ordering::Release);
            if ready.is_some() {
                return ready;
            }
        }
        if fits {
            return None;
        }
        self.journal.take_memory(self.thread, bytes).map(Arc::new)
    }

    fn turn_to(&mut self, next: Arc<Segment>) {
        let in_memory = next.path().is_none();
        let Some(tail) = Tail::claim(Arc::clone(&next), self.order) else {
            return;
        };
        self.order += 1;
        self.in_memory = in_memory;
        if let Some(full) = self.tail.replace(tail) {
            full.seal(next);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(tail) = self.tail.take() {
            *lock(&self.journal.threads[self.thread].parked) = Some(Parked {
                tail,
                order: self.order,
            });
        }
    }
}

/// Adds to a counter that only this thread writes: no locked instruction. Released, so that who sees the count sees
/// the record.
#[inline]
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed) + amount, Ordering::Release);
}

fn cannot_reserve(path: &Path, bytes: usize, error: &io::Error) -> String {
    format!(
        "cannot reserve {bytes} bytes for the journal at {}: {error}; records are kept in memory until that is possible",
        path.display()
    )
}

fn check(options: &Options) -> io::Result<()> {
    if (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&options.segment_bytes) {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!(
            "journal segments of {} bytes, expected {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}",
            options.segment_bytes
        ),
    ))
}
