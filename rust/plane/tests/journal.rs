//! The journal as its users see it: append, drain, commit, end of the process in every way, disk trouble, damage.
//!
//! Two tests run this binary again as a child, because what they ask about happens to a whole process: `kill -9`,
//! and a limit on file sizes that stands for a full disk.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use turnout_plane::journal::{Journal, Options, UnknownToken, Writer, pack};

/// A state directory of its own for each test, removed at its end.
struct State(PathBuf);

impl State {
    fn new() -> State {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "turnout-journal-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("the temporary directory takes directories");
        State(path)
    }

    fn open(&self, threads: usize, options: Options) -> Arc<Journal> {
        Journal::open(&self.0, threads, options).expect("a writable directory")
    }

    /// Segment files below the journal, of all processes.
    fn segments(&self) -> Vec<PathBuf> {
        self.files()
            .into_iter()
            .filter(|path| path.extension().is_some_and(|end| end == "seg"))
            .collect()
    }

    fn files(&self) -> Vec<PathBuf> {
        fn walk(directory: &Path, into: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(directory).expect("a directory").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, into)
                } else {
                    into.push(path)
                }
            }
        }
        let mut files = Vec::new();
        walk(&self.0, &mut files);
        files.sort();
        files
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Small segments, and everything at each `tend`, so that the tests see many turns and wait for nothing.
fn small() -> Options {
    Options {
        segment_bytes: 4 << 10,
        memory_bytes_max: 256 << 10,
        adopt_every: Duration::ZERO,
        retry_every: Duration::ZERO,
        ..Options::default()
    }
}

/// A record of these tests: thread, number, filler.
fn append(writer: &mut Writer, thread: u64, number: u64, filler: usize) -> bool {
    writer.append(|out| {
        pack::array(out, 3);
        pack::uint(out, thread);
        pack::uint(out, number);
        pack::str(out, &"x".repeat(filler));
    })
}

/// Reads a batch with the reference decoder.
fn unpack(batch: &[u8]) -> Vec<(u64, u64)> {
    let mut rest = batch;
    let count = rmp::decode::read_array_len(&mut rest).expect("a batch is an array");
    let mut records = Vec::new();
    for _ in 0..count {
        assert_eq!(
            rmp::decode::read_array_len(&mut rest).expect("a record is an array"),
            3
        );
        let thread = rmp::decode::read_int(&mut rest).expect("a thread");
        let number = rmp::decode::read_int(&mut rest).expect("a number");
        let filler = rmp::decode::read_str_len(&mut rest).expect("a filler") as usize;
        let (text, after) = rest.split_at(filler);
        assert!(text.iter().all(|byte| *byte == b'x'));
        rest = after;
        records.push((thread, number));
    }
    assert!(rest.is_empty(), "nothing behind the batch");
    records
}

fn drain(journal: &Journal, records_max: usize) -> (Vec<(u64, u64)>, u64) {
    let (batch, token) = journal.drain(records_max, Duration::ZERO);
    (unpack(&batch), token)
}

/// Drains and commits until nothing is left.
fn drain_all(journal: &Journal) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    loop {
        let (records, token) = drain(journal, 100);
        if records.is_empty() {
            return all;
        }
        all.extend(records);
        journal.commit(token).expect("a fresh token");
        journal.tend();
    }
}

#[test]
fn a_record_is_drained_until_it_is_committed_and_never_after() {
    let state = State::new();
    let journal = state.open(1, Options::default());
    let mut writer = journal.writer(0);
    assert!(journal.is_empty());
    assert!(append(&mut writer, 0, 1, 10));
    assert!(!journal.is_empty());
    let (first, _) = drain(&journal, 10);
    // More arrives, and still the same is returned.
    assert!(append(&mut writer, 0, 2, 10));
    let (again, token) = drain(&journal, 10);
    assert_eq!(first, [(0, 1)]);
    assert_eq!(again, first);
    journal.commit(token).expect("a fresh token");
    assert_eq!(drain_all(&journal), [(0, 2)]);
    assert!(journal.is_empty());
}

#[test]
fn an_empty_journal_gives_an_empty_array() {
    let state = State::new();
    let journal = state.open(2, Options::default());
    let (batch, token) = journal.drain(10, Duration::from_millis(1));
    assert_eq!(batch, [0x90]);
    journal.commit(token).expect("nothing to forget");
}

#[test]
fn a_waiting_drain_sees_a_record_of_another_thread() {
    let state = State::new();
    let journal = state.open(1, Options::default());
    let mut writer = journal.writer(0);
    let waiting = std::thread::spawn({
        let journal = Arc::clone(&journal);
        move || unpack(&journal.drain(10, Duration::from_secs(60)).0)
    });
    assert!(append(&mut writer, 0, 1, 10));
    assert_eq!(waiting.join().expect("no panic"), [(0, 1)]);
}

#[test]
fn tokens_that_were_never_given_are_refused_and_given_ones_may_repeat() {
    let state = State::new();
    let journal = state.open(1, Options::default());
    let mut writer = journal.writer(0);
    assert!(append(&mut writer, 0, 1, 10));
    assert_eq!(journal.commit(0), Err(UnknownToken(0)));
    let (_, token) = drain(&journal, 10);
    assert_eq!(journal.commit(token + 1), Err(UnknownToken(token + 1)));
    assert_eq!(journal.commit(token), Ok(()));
    assert_eq!(journal.commit(token), Ok(()));
    assert!(journal.is_empty());
}

#[test]
fn threads_take_turns_and_keep_their_order() {
    let state = State::new();
    let journal = state.open(2, small());
    let (mut long, mut short) = (journal.writer(0), journal.writer(1));
    for number in 0..200 {
        assert!(append(&mut long, 0, number, 50));
        journal.tend();
    }
    for number in 0..3 {
        assert!(append(&mut short, 1, number, 50));
    }
    let (records, _) = drain(&journal, 6);
    assert_eq!(records, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]);
}

#[test]
fn a_smaller_drain_before_the_commit_returns_the_beginning_of_the_same() {
    let state = State::new();
    let journal = state.open(2, small());
    let mut writers = [journal.writer(0), journal.writer(1)];
    for number in 0..5 {
        for (thread, writer) in writers.iter_mut().enumerate() {
            assert!(append(writer, thread as u64, number, 5));
        }
    }
    let (eight, whole) = drain(&journal, 8);
    let (three, part) = drain(&journal, 3);
    assert_eq!(eight[..3], three[..]);
    journal.commit(part).expect("a fresh token");
    journal.commit(whole).expect("the wider one is still known");
    assert_eq!(drain_all(&journal).len(), 2);
}

#[test]
fn large_records_pass_and_those_beyond_a_segment_are_dropped_and_counted() {
    let state = State::new();
    let journal = state.open(
        1,
        Options {
            segment_bytes: 256 << 10,
            ..small()
        },
    );
    let mut writer = journal.writer(0);
    for number in 0..6 {
        assert!(append(
            &mut writer,
            0,
            number,
            70_000 + number as usize * 10_000
        ));
        journal.tend();
    }
    assert!(!append(&mut writer, 0, 6, 256 << 10));
    assert!(!writer.append(|_| {}), "a record of nothing is no record");
    assert!(append(&mut writer, 0, 7, 1), "the next one is not harmed");
    assert_eq!(journal.stats().dropped, 2);
    let numbers: Vec<u64> = drain_all(&journal)
        .into_iter()
        .map(|(_, number)| number)
        .collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 7]);
}

#[test]
fn consumed_segments_are_removed_and_an_orderly_end_leaves_nothing() {
    let state = State::new();
    let journal = state.open(1, small());
    let mut writer = journal.writer(0);
    for number in 0..500 {
        assert!(append(&mut writer, 0, number, 100));
        journal.tend();
    }
    assert!(state.segments().len() > 10);
    assert_eq!(
        journal.stats().disk_bytes,
        4096 * state.segments().len() as u64
    );
    assert_eq!(drain_all(&journal).len(), 500);
    journal.tend();
    assert!(
        state.segments().len() <= 2,
        "the one in use and the one prepared"
    );
    assert_eq!(
        journal.stats().disk_bytes,
        4096 * state.segments().len() as u64
    );
    drop((writer, journal));
    assert_eq!(state.files(), Vec::<PathBuf>::new());
}

#[test]
fn what_was_not_committed_is_adopted_at_the_next_start() {
    let state = State::new();
    let journal = state.open(2, small());
    let mut writers = [journal.writer(0), journal.writer(1)];
    for number in 0..100 {
        for (thread, writer) in writers.iter_mut().enumerate() {
            assert!(append(writer, thread as u64, number, 100));
        }
        journal.tend();
    }
    let (booked, token) = drain(&journal, 30);
    journal.commit(token).expect("a fresh token");
    drain(&journal, 40);
    drop((writers, journal));

    let journal = state.open(1, small());
    assert_eq!(journal.stats().adopted, 170);
    let mut all: Vec<_> = booked.into_iter().chain(drain_all(&journal)).collect();
    for thread in 0..2 {
        let numbers: Vec<u64> = all
            .iter()
            .filter(|record| record.0 == thread)
            .map(|record| record.1)
            .collect();
        assert_eq!(
            numbers,
            (0..100).collect::<Vec<u64>>(),
            "thread {thread}, in order"
        );
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 200);
    assert!(journal.is_empty());
    drop(journal);
    assert_eq!(state.files(), Vec::<PathBuf>::new());
}

#[test]
fn a_living_process_keeps_its_segments_until_it_ends_and_then_they_are_adopted_while_running() {
    let state = State::new();
    let old = state.open(1, small());
    let mut writer = old.writer(0);
    assert!(append(&mut writer, 0, 1, 10));
    let new = state.open(1, small());
    new.tend();
    assert_eq!(drain(&new, 10).0, []);
    assert!(append(&mut writer, 0, 2, 10));
    drop((writer, old));
    new.tend();
    assert_eq!(drain_all(&new), [(0, 1), (0, 2)]);
}

#[test]
fn a_writer_that_is_made_again_goes_on_behind_the_first() {
    let state = State::new();
    let journal = state.open(1, small());
    for number in 0..60 {
        assert!(append(&mut journal.writer(0), 0, number, 200));
        journal.tend();
    }
    assert_eq!(drain_all(&journal).len(), 60);
}

#[test]
fn beyond_the_bounds_records_are_dropped_and_counted_and_space_brings_them_back() {
    let state = State::new();
    // Two files and one memory segment of 64 KiB fit.
    let bounds = Options {
        disk_bytes_max: 8 << 10,
        memory_bytes_max: 64 << 10,
        segment_bytes: 4 << 10,
        ..small()
    };
    let journal = state.open(1, bounds);
    let mut writer = journal.writer(0);
    let mut kept = 0;
    while append(&mut writer, 0, kept, 100) {
        kept += 1;
        journal.tend();
        assert!(kept < 10_000, "there is a bound");
    }
    let stats = journal.stats();
    assert_eq!((stats.dropped, stats.pending_records), (1, kept));
    assert!(stats.disk_bytes <= 8 << 10 && stats.memory_bytes <= 64 << 10);
    assert!(
        stats
            .disk_error
            .is_some_and(|error| error.contains("bound"))
    );
    assert_eq!(drain_all(&journal).len() as u64, kept);
    journal.tend();
    assert!(append(&mut writer, 0, kept, 100));
    assert_eq!(drain_all(&journal), [(0, kept)]);
    journal.tend();
    assert_eq!(journal.stats().disk_error, None);
}

#[test]
fn records_in_memory_are_saved_to_files_once_there_is_room() {
    let state = State::new();
    let bounds = Options {
        disk_bytes_max: 20 << 10,
        segment_bytes: 4 << 10,
        ..small()
    };
    let journal = state.open(1, bounds);
    let mut writer = journal.writer(0);
    // Without a `tend` in between, two files are filled and the rest goes to memory.
    for number in 0..100 {
        assert!(append(&mut writer, 0, number, 100));
    }
    assert!(journal.stats().memory_bytes > 0);
    // A file is made; the writer turns to it, which seals what is in memory. The bound leaves no room to copy all of
    // that while a file stands ready; at the end the unused one makes place.
    journal.tend();
    assert!(append(&mut writer, 0, 100, 100));
    journal.tend();
    drop((writer, journal));
    let journal = state.open(1, small());
    let numbers: Vec<u64> = drain_all(&journal)
        .into_iter()
        .map(|record| record.1)
        .collect();
    assert_eq!(numbers, (0..=100).collect::<Vec<u64>>());
}

#[test]
fn a_directory_that_is_removed_underneath_is_made_again() {
    let state = State::new();
    let journal = state.open(1, small());
    let mut writer = journal.writer(0);
    assert!(append(&mut writer, 0, 0, 100));
    fs::remove_dir_all(state.0.join("journal")).expect("it was there");
    for number in 1..100 {
        assert!(append(&mut writer, 0, number, 100));
        journal.tend();
    }
    assert_eq!(journal.stats().disk_error, None);
    assert!(!state.segments().is_empty());
    assert_eq!(drain_all(&journal).len(), 100);
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
    let state = State::new();
    fs::write(state.0.join("journal"), "a file in the way").expect("writable");
    let error = Journal::open(&state.0, 1, small()).expect_err("a file is no directory");
    assert!(
        error
            .to_string()
            .contains(&state.0.join("journal").display().to_string()),
        "{error}"
    );
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let state = State::new();
    for segment_bytes in [0, 4095, usize::MAX] {
        let error = Journal::open(
            &state.0,
            1,
            Options {
                segment_bytes,
                ..small()
            },
        )
        .expect_err("out of range");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
}

/// Leaves one segment of ten records behind, and returns its file.
fn abandoned(state: &State) -> PathBuf {
    let journal = state.open(1, small());
    let mut writer = journal.writer(0);
    for number in 0..10 {
        assert!(append(&mut writer, 0, number, 20));
    }
    drop((writer, journal));
    let [file] = state.segments().try_into().expect("one file is left");
    file
}

/// Where the frames begin, and the size of one of [`abandoned`]'s.
const HEADER: usize = 256;
const FRAME: usize = 8 + 1 + 1 + 1 + 1 + 20;

#[test]
fn a_damaged_record_ends_its_segment_with_a_count_and_nothing_else_is_lost() {
    let state = State::new();
    let file = abandoned(&state);
    let whole = fs::read(&file).expect("readable");
    let offsets = (0..FRAME * 10).chain([3000]);
    for offset in offsets {
        let mut damaged = whole.clone();
        damaged[HEADER + offset] ^= 0x55;
        fs::create_dir_all(file.parent().expect("it has one")).expect("writable");
        fs::write(&file, &damaged).expect("writable");
        fs::write(file.with_file_name("lock"), "").expect("writable");

        let journal = state.open(1, small());
        let expected: Vec<(u64, u64)> = (0..(offset / FRAME).min(10) as u64)
            .map(|number| (0, number))
            .collect();
        // A drain that is not committed does not count the damage twice.
        assert_eq!(drain(&journal, 100).0, expected, "offset {offset}");
        assert_eq!(drain_all(&journal), expected, "offset {offset}");
        assert_eq!(
            journal.stats().corrupt,
            u64::from(expected.len() < 10),
            "offset {offset}"
        );
        assert!(journal.is_empty(), "offset {offset}");
        journal.tend();
        assert!(!file.exists(), "what is consumed is removed");
    }
}

#[test]
fn no_damage_to_the_header_panics_or_invents_records() {
    let state = State::new();
    let file = abandoned(&state);
    let whole = fs::read(&file).expect("readable");
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..1000 {
        let mut damaged = whole.clone();
        for _ in 0..random.usize(1..4) {
            damaged[random.usize(..HEADER)] = random.u8(..);
        }
        if round % 4 == 0 {
            damaged.truncate(random.usize(..damaged.len()));
        }
        fs::create_dir_all(file.parent().expect("it has one")).expect("writable");
        fs::write(&file, &damaged).expect("writable");
        fs::write(file.with_file_name("lock"), "").expect("writable");

        let journal = state.open(1, small());
        let records = drain_all(&journal);
        assert!(
            records
                .iter()
                .all(|(thread, number)| *thread == 0 && *number < 10)
        );
        assert!(journal.is_empty());
    }
}

#[test]
fn a_file_of_another_format_is_set_aside_and_reported() {
    let state = State::new();
    let file = abandoned(&state);
    let mut newer = fs::read(&file).expect("readable");
    newer[8] = 2;
    fs::write(&file, &newer).expect("writable");
    let journal = state.open(1, small());
    let stats = journal.stats();
    assert_eq!(stats.corrupt, 1);
    assert!(
        stats
            .disk_error
            .is_some_and(|error| error.contains("format 2"))
    );
    assert_eq!(drain_all(&journal), []);
    let kept: Vec<PathBuf> = state
        .files()
        .into_iter()
        .filter(|path| path.starts_with(state.0.join("journal/unreadable")))
        .collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        fs::read(&kept[0]).expect("readable"),
        newer,
        "nothing of it is lost"
    );
}

/// Random sequences against a model that is a list of records for each thread.
#[test]
fn any_sequence_of_steps_does_what_the_model_does() {
    for seed in 0..60 {
        follow_the_model(seed);
    }
}

fn follow_the_model(seed: u64) {
    const THREADS: usize = 3;
    let mut random = fastrand::Rng::with_seed(seed);
    let state = State::new();
    // Sometimes so little disk that memory is used; never so little of both that records are dropped.
    let disk_bytes_max = if seed.is_multiple_of(3) {
        40 << 10
    } else {
        1 << 30
    };
    let options = Options {
        disk_bytes_max,
        memory_bytes_max: 64 << 20,
        ..small()
    };
    let mut journal = state.open(THREADS, options.clone());
    let mut writers: Vec<Writer> = (0..THREADS).map(|thread| journal.writer(thread)).collect();
    // What is pending in each thread, and what the last drain returned.
    let mut pending: Vec<VecDeque<u64>> = vec![VecDeque::new(); THREADS];
    let mut in_hand: Option<(Vec<(u64, u64)>, u64)> = None;
    let mut next = 0;

    for _ in 0..400 {
        match random.u32(..100) {
            0..60 => {
                let thread = random.usize(..THREADS);
                let filler = if random.u32(..10) == 0 {
                    random.usize(..3500)
                } else {
                    random.usize(..300)
                };
                assert!(
                    append(&mut writers[thread], thread as u64, next, filler),
                    "seed {seed}"
                );
                pending[thread].push_back(next);
                next += 1;
            }
            60..75 => {
                let (records, token) = drain(&journal, random.usize(1..40));
                for (thread, queue) in pending.iter().enumerate() {
                    let of_thread = records.iter().filter(|record| record.0 == thread as u64);
                    let own: Vec<u64> = of_thread.map(|record| record.1).collect();
                    let oldest: Vec<u64> = queue.iter().take(own.len()).copied().collect();
                    assert_eq!(own, oldest, "seed {seed}: the oldest, in order");
                }
                if let Some((before, _)) = &in_hand {
                    let same = before.len().min(records.len());
                    assert_eq!(
                        records[..same],
                        before[..same],
                        "seed {seed}: the same until the commit"
                    );
                } else {
                    let any = pending.iter().any(|queue| !queue.is_empty());
                    assert_eq!(any, !records.is_empty(), "seed {seed}");
                }
                in_hand = (!records.is_empty()).then_some((records, token));
            }
            75..85 => {
                if let Some((records, token)) = in_hand.take() {
                    journal.commit(token).expect("a fresh token");
                    for (thread, number) in records {
                        assert_eq!(
                            pending[thread as usize].pop_front(),
                            Some(number),
                            "seed {seed}"
                        );
                    }
                }
            }
            85..97 => journal.tend(),
            _ => {
                drop(std::mem::take(&mut writers));
                drop(journal);
                journal = state.open(THREADS, options.clone());
                // The adopted lanes must be empty before the same threads append: the model knows one queue a thread.
                let mut left = drain_all(&journal);
                let mut expected: Vec<(u64, u64)> = Vec::new();
                for (thread, queue) in pending.iter_mut().enumerate() {
                    expected.extend(queue.drain(..).map(|number| (thread as u64, number)));
                }
                left.sort_unstable();
                expected.sort_unstable();
                // A whole restart loses what is in memory only when the disk's bound leaves no room to save it.
                let lost = expected
                    .iter()
                    .filter(|record| !left.contains(record))
                    .count();
                assert!(
                    lost == 0 || disk_bytes_max < 1 << 30,
                    "seed {seed}: {lost} lost"
                );
                assert!(
                    left.iter().all(|record| expected.contains(record)),
                    "seed {seed}"
                );
                in_hand = None;
                writers = (0..THREADS).map(|thread| journal.writer(thread)).collect();
            }
        }
        let stats = journal.stats();
        assert_eq!(
            stats.pending_records,
            pending.iter().map(VecDeque::len).sum::<usize>() as u64,
            "seed {seed}"
        );
        assert_eq!(
            journal.is_empty(),
            stats.pending_records == 0,
            "seed {seed}"
        );
        assert_eq!((stats.dropped, stats.corrupt), (0, 0), "seed {seed}");
    }
}

/// Writers, the background and the consumer at once: everything arrives once and in order.
#[test]
fn nothing_is_lost_or_repeated_while_all_run_at_once() {
    const THREADS: usize = 2;
    const RECORDS: u64 = 20_000;
    let state = State::new();
    let journal = state.open(
        THREADS,
        Options {
            memory_bytes_max: 64 << 20,
            segment_bytes: 16 << 10,
            ..small()
        },
    );
    let appending: Vec<_> = (0..THREADS)
        .map(|thread| {
            let mut writer = journal.writer(thread);
            std::thread::spawn(move || {
                for number in 0..RECORDS {
                    assert!(append(
                        &mut writer,
                        thread as u64,
                        number,
                        (number % 97) as usize
                    ));
                }
            })
        })
        .collect();
    let mut next = [0; THREADS];
    while next.iter().sum::<u64>() < RECORDS * THREADS as u64 {
        journal.tend();
        let (batch, token) = journal.drain(1000, Duration::from_millis(50));
        for (thread, number) in unpack(&batch) {
            assert_eq!(number, next[thread as usize], "thread {thread}");
            next[thread as usize] += 1;
        }
        journal.commit(token).expect("a fresh token");
    }
    for thread in appending {
        thread.join().expect("no panic");
    }
    assert!(journal.is_empty());
    assert_eq!(journal.stats().dropped, 0);
}

// ---- a process of its own -------------------------------------------------------------------------------------------

const CHILD: &str = "TURNOUT_TEST_JOURNAL_CHILD";

/// This test binary again, running one test that does something only when it finds the variable.
fn child(test: &str, state: &State) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, &state.0);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

#[test]
fn child_that_appends_until_it_is_killed() {
    let Some(state) = std::env::var_os(CHILD) else {
        return;
    };
    let options = Options {
        segment_bytes: 64 << 10,
        ..small()
    };
    let journal = Journal::open(Path::new(&state), 2, options).expect("a writable directory");
    let appending: Vec<_> = (0..2u64)
        .map(|thread| {
            let mut writer = journal.writer(thread as usize);
            let journal = Arc::clone(&journal);
            std::thread::spawn(move || {
                for number in 0.. {
                    let appended = append(&mut writer, thread, number, 100);
                    // Said only after the append returned: that is the promise. It holds for files; should the
                    // background fall behind here, what may be in memory is said as something else.
                    let promised = appended && journal.stats().memory_bytes == 0;
                    let mark = if promised { '#' } else { '~' };
                    let said = format!("\n{mark}{thread} {number}\n");
                    if std::io::stdout().write_all(said.as_bytes()).is_err() {
                        return;
                    }
                }
            })
        })
        .collect();
    while appending.iter().any(|thread| !thread.is_finished()) {
        journal.tend();
    }
}

#[test]
fn every_record_whose_append_returned_is_there_after_kill_9() {
    for round in 0..5 {
        let state = State::new();
        let mut child = child("child_that_appends_until_it_is_killed", &state)
            .spawn()
            .expect("this binary runs");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut promised: Vec<(u64, u64)> = Vec::new();
        let mut said = 0;
        let mut line = String::new();
        while output.read_line(&mut line).expect("readable") > 0 {
            // The last line may be cut by the kill.
            let whole = line.strip_suffix('\n').unwrap_or("");
            if whole.starts_with(['#', '~']) {
                said += 1;
            }
            if let Some((thread, number)) = whole
                .strip_prefix('#')
                .and_then(|rest| rest.split_once(' '))
            {
                let number_of = |text: &str| text.parse().expect("a number");
                promised.push((number_of(thread), number_of(number)));
            }
            line.clear();
            if said == 400 + round * 1500 {
                child.kill().expect("SIGKILL");
            }
        }
        child.wait().expect("it ended");
        // So many fit into the files that exist from the start, whatever the background does.
        assert!(promised.len() >= 400, "{} promised", promised.len());

        let journal = state.open(1, small());
        assert_eq!(journal.stats().corrupt, 0);
        let found = drain_all(&journal);
        for thread in 0..2 {
            let numbers: Vec<u64> = found
                .iter()
                .filter(|record| record.0 == thread)
                .map(|record| record.1)
                .collect();
            // Once each, in order, without a gap among those whose append succeeded.
            assert!(
                numbers.windows(2).all(|pair| pair[0] < pair[1]),
                "thread {thread}"
            );
            let missing: Vec<u64> = promised
                .iter()
                .filter(|record| record.0 == thread && numbers.binary_search(&record.1).is_err())
                .map(|record| record.1)
                .collect();
            assert_eq!(missing, Vec::<u64>::new(), "thread {thread}, round {round}");
        }
    }
}

#[test]
fn child_on_a_full_disk() {
    let Some(state) = std::env::var_os(CHILD) else {
        return;
    };
    let journal = Journal::open(
        Path::new(&state),
        1,
        Options {
            segment_bytes: 64 << 10,
            ..small()
        },
    )
    .expect("a full disk is no failure to open");
    let mut writer = journal.writer(0);
    let mut kept = 0;
    while append(&mut writer, 0, kept, 1000) {
        kept += 1;
        journal.tend();
    }
    let stats = journal.stats();
    assert_eq!(
        (stats.disk_bytes, stats.dropped, stats.pending_records),
        (0, 1, kept)
    );
    assert!(kept > 100, "memory took some: {kept}");
    assert!(
        stats
            .disk_error
            .is_some_and(|error| error.contains("cannot reserve 65536 bytes"))
    );
    assert_eq!(drain_all(&journal).len() as u64, kept);
    assert!(
        append(&mut writer, 0, kept, 1000),
        "committed memory is free again"
    );
    println!("\n#done {kept}");
}

#[test]
fn a_full_disk_turns_writers_to_bounded_memory() {
    let state = State::new();
    let run = child("child_on_a_full_disk", &state);
    // No file may grow past 8 KiB (`ulimit` counts in blocks of 512 or 1,024 bytes); the signal that usually comes
    // with that is ignored, as Python does too.
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 8 && exec \"$0\" \"$@\""])
        .arg(run.get_program())
        .args(run.get_args());
    limited
        .env(CHILD, &state.0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = limited.spawn().expect("a shell");
    let mut output = String::new();
    child
        .stdout
        .take()
        .expect("piped")
        .read_to_string(&mut output)
        .expect("text");
    assert!(child.wait().expect("it ended").success(), "{output}");
    assert!(output.contains("#done "), "{output}");
    assert_eq!(
        state.segments(),
        Vec::<PathBuf>::new(),
        "no half-made file is left"
    );
}
