//! The reading side: takes records from every thread's segments in turn, and forgets them once the ledger has them.
//!
//! Nothing is remembered about what was handed out except marks: how far each segment was read for which token. The
//! truth is `consumed` in the segments' headers, moved by a commit only. So a reader that dies between drain and
//! commit loses nothing, and reads at most one batch twice.
//!
//! Lanes: each thread of this process is one, and each thread of each adopted process is one. Within a lane records
//! come oldest first; between lanes one record at a time in turn, so that a long backlog of one hides no other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::home::Home;
use super::pack;
use super::segment::{Segment, Torn};

/// A batch ends when its payloads exceed this, even when fewer records than asked for are in it.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// Tokens remembered without a commit. The consumer has one batch at a time in hand; more is for one that retries.
const OUTSTANDING_MAX: usize = 16;

/// What was read, for statistics: written under the reader's lock, read by anyone.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Bytes of frames committed or skipped.
    pub(super) consumed_bytes: AtomicU64,
    pub(super) consumed_records: AtomicU64,
    /// Bytes and records that adopted segments brought along unread.
    pub(super) adopted_bytes: AtomicU64,
    pub(super) adopted_records: AtomicU64,
    /// Places where a segment could not be read on.
    pub(super) corrupt: AtomicU64,
}

/// The lanes and what is known about them. Lives behind one mutex that no request ever takes.
#[derive(Debug, Default)]
pub(super) struct Reader {
    lanes: Vec<Lane>,
    /// Name of the next lane; names are not reused, so a mark cannot hit a later lane.
    lane_next: u64,
    /// Lane whose turn is first. Moves at a commit and not before, so that a repeated drain repeats its order.
    turn: usize,
    /// How far the tokens that were given out reach.
    outstanding: VecDeque<(u64, Vec<Mark>)>,
    /// Marks of the latest drain while it is not committed: the next drain stops there, so it returns the same.
    limits: Option<Vec<Mark>>,
    token_last: u64,
    /// Tokens up to this one may have been forgotten without a commit.
    token_forgotten: u64,
}

#[derive(Debug)]
struct Lane {
    name: u64,
    /// Oldest first. A live lane always holds at least one, the one being appended to or about to be sealed.
    segments: VecDeque<Arc<Segment>>,
    /// The directory of the dead process, for an adopted lane; removed with the last lane that shares it.
    home: Option<Arc<Home>>,
    /// Sequence and place of the last damage found, so that reading the same batch again does not count it again.
    damage: Option<(u64, usize)>,
}

/// How far a segment was read.
#[derive(Debug, Clone, Copy)]
struct Mark {
    lane: u64,
    sequence: u64,
    at: usize,
    records: u64,
}

/// Segments that are no longer needed, and the directories that became empty with them.
#[derive(Debug, Default)]
pub(super) struct Swept {
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) homes: Vec<Home>,
}

/// A token that [`super::Journal::drain`] never gave, or gave so long ago that it was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownToken(pub u64);

impl std::fmt::Display for UnknownToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "unknown journal token, expected the one of the latest drain: {}",
            self.0
        )
    }
}

impl std::error::Error for UnknownToken {}

impl Reader {
    /// Adds the lane of a thread of this process. Its later segments are found from the first.
    pub(super) fn add_live(&mut self, first: Arc<Segment>) {
        self.add(VecDeque::from([first]), None);
    }

    /// Adds what a dead process left: segments sorted by thread and order.
    pub(super) fn add_adopted(
        &mut self,
        home: Home,
        segments: Vec<Segment>,
        counts: &Counts,
    ) -> Option<Home> {
        if segments.is_empty() {
            return Some(home);
        }
        let home = Arc::new(home);
        let mut lane: VecDeque<Arc<Segment>> = VecDeque::new();
        for segment in segments {
            let bytes = segment.committed().saturating_sub(segment.consumed()) as u64;
            let records = segment.records().saturating_sub(segment.consumed_records());
            counts.adopted_records.fetch_add(records, Ordering::Relaxed);
            counts.adopted_bytes.fetch_add(bytes, Ordering::Relaxed);
            if lane
                .back()
                .is_some_and(|last| last.thread() != segment.thread())
            {
                self.add(std::mem::take(&mut lane), Some(Arc::clone(&home)));
            }
            lane.push_back(Arc::new(segment));
        }
        self.add(lane, Some(home));
        None
    }

    fn add(&mut self, segments: VecDeque<Arc<Segment>>, home: Option<Arc<Home>>) {
        self.lanes.push(Lane {
            name: self.lane_next,
            segments,
            home,
            damage: None,
        });
        self.lane_next += 1;
    }

    /// Packs up to `records_max` records. An empty array when there are none.
    pub(super) fn drain(&mut self, records_max: usize, counts: &Counts) -> (Vec<u8>, u64, usize) {
        self.token_last += 1;
        let token = self.token_last;
        let records_max = records_max.min(u32::MAX as usize);
        let mut out = Vec::new();
        pack::array32(&mut out, 0);
        let mut records = 0;

        let lanes = self.lanes.len();
        let limits = self.limits.as_deref();
        let mut cursors: Vec<Cursor> = self
            .lanes
            .iter()
            .map(|lane| Cursor::new(lane, limits))
            .collect();
        let mut idle = 0;
        let mut turn = self.turn;
        // A full round without a record ends it.
        while idle < lanes && records < records_max && out.len() < BATCH_BYTES_MAX {
            turn %= lanes;
            if cursors[turn].advance(&mut self.lanes[turn], &mut out, counts) {
                records += 1;
                idle = 0;
            } else {
                idle += 1;
            }
            turn += 1;
        }

        let marks: Vec<Mark> = self
            .lanes
            .iter()
            .zip(&cursors)
            .flat_map(|(lane, cursor)| cursor.marks(lane))
            .collect();
        if records == 0 {
            // Nothing was handed out, so nobody will commit; what was passed over is damage or already consumed.
            self.apply(&marks, counts);
            out.clear();
            pack::array(&mut out, 0);
            return (out, token, 0);
        }
        out[1..5].copy_from_slice(&(records as u32).to_be_bytes());
        if self.limits.is_none() {
            self.limits = Some(marks.clone());
        }
        self.outstanding.push_back((token, marks));
        if self.outstanding.len() > OUTSTANDING_MAX
            && let Some((forgotten, _)) = self.outstanding.pop_front()
        {
            self.token_forgotten = forgotten;
        }
        (out, token, records)
    }

    /// Forgets what the batch of this token held. A second commit of the same token changes nothing.
    pub(super) fn commit(&mut self, token: u64, counts: &Counts) -> Result<(), UnknownToken> {
        let Some(at) = self
            .outstanding
            .iter()
            .position(|(given, _)| *given == token)
        else {
            let committed_before = token > self.token_forgotten && token <= self.token_last;
            return if committed_before {
                Ok(())
            } else {
                Err(UnknownToken(token))
            };
        };
        if let Some((_, marks)) = self.outstanding.remove(at) {
            self.apply(&marks, counts);
        }
        self.limits = None;
        self.turn = self.turn.wrapping_add(1) % self.lanes.len().max(1);
        Ok(())
    }

    fn apply(&mut self, marks: &[Mark], counts: &Counts) {
        for mark in marks {
            let lane = self.lanes.iter().find(|lane| lane.name == mark.lane);
            let segment = lane.and_then(|lane| {
                lane.segments
                    .iter()
                    .find(|segment| segment.sequence() == mark.sequence)
            });
            // Not there: it was read to its end and removed.
            let Some(segment) = segment else { continue };
            let before = segment.consumed();
            if mark.at <= before {
                continue;
            }
            let records_before = segment.consumed_records();
            segment.set_consumed(mark.at, mark.records.max(records_before));
            counts.consumed_records.fetch_add(
                mark.records.saturating_sub(records_before),
                Ordering::Relaxed,
            );
            counts
                .consumed_bytes
                .fetch_add((mark.at - before) as u64, Ordering::Relaxed);
        }
    }

    /// Takes out the segments that are sealed and consumed, and the lanes that end with them.
    pub(super) fn sweep(&mut self) -> Swept {
        let mut swept = Swept::default();
        for lane in &mut self.lanes {
            lane.follow();
            while let Some(front) = lane.segments.front() {
                let sealed = front.sealed();
                let last_of_live = lane.home.is_none() && lane.segments.len() == 1;
                if !sealed || last_of_live || front.consumed() < front.committed() {
                    break;
                }
                swept.segments.extend(lane.segments.pop_front());
            }
        }
        self.lanes.retain_mut(|lane| {
            let keep = !lane.segments.is_empty();
            if !keep {
                swept
                    .homes
                    .extend(lane.home.take().and_then(Arc::into_inner));
            }
            keep
        });
        swept
    }

    /// The segment of each live lane that is being appended to.
    pub(super) fn appended_to(&mut self) -> Vec<Arc<Segment>> {
        let live = self.lanes.iter_mut().filter(|lane| lane.home.is_none());
        live.filter_map(|lane| {
            lane.follow();
            lane.segments.back().cloned()
        })
        .collect()
    }

    /// Segments in memory that hold something unread and that nobody appends to any more; with `all`, also those
    /// that are still appended to (at the end, when the writers are gone).
    pub(super) fn in_memory(&self, all: bool) -> Vec<(u64, Arc<Segment>)> {
        let every = self
            .lanes
            .iter()
            .flat_map(|lane| lane.segments.iter().map(|segment| (lane.name, segment)));
        every
            .filter(|(_, segment)| segment.path().is_none() && (all || segment.sealed()))
            .filter(|(_, segment)| segment.consumed() < segment.committed())
            .map(|(lane, segment)| (lane, Arc::clone(segment)))
            .collect()
    }

    /// Puts the copy on disk in the place of a segment in memory. The copy comes back when that is gone by now.
    pub(super) fn replace(&mut self, lane: u64, copy: Segment) -> Option<Segment> {
        let lane = self.lanes.iter_mut().find(|known| known.name == lane);
        let place = lane.and_then(|lane| {
            lane.segments
                .iter_mut()
                .find(|known| known.sequence() == copy.sequence())
        });
        let Some(place) = place else {
            return Some(copy);
        };
        copy.set_consumed(place.consumed(), place.consumed_records());
        *place = Arc::new(copy);
        None
    }

    /// Every segment that is still known.
    pub(super) fn segments(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.lanes.iter().flat_map(|lane| &lane.segments)
    }
}

impl Lane {
    /// Takes in the segments that the writer has turned to since.
    fn follow(&mut self) {
        while let Some(next) = self.segments.back().and_then(|last| last.next().cloned()) {
            self.segments.push_back(next);
        }
    }
}

/// Where a drain stands in one lane.
struct Cursor {
    segment: usize,
    at: usize,
    records: u64,
    /// Where to stop, as (sequence, place). `None` inside: there is no limit.
    limit: Limit,
}

enum Limit {
    /// Read all there is.
    Open,
    /// The batch before, not yet committed, ended here.
    At(u64, usize),
    /// The batch before took nothing of this lane.
    Nothing,
}

impl Cursor {
    fn new(lane: &Lane, limits: Option<&[Mark]>) -> Cursor {
        let limit = match limits {
            None => Limit::Open,
            // Marks of a lane stand in order; the last is the furthest.
            Some(marks) => match marks.iter().rev().find(|mark| mark.lane == lane.name) {
                Some(mark) => Limit::At(mark.sequence, mark.at),
                None => Limit::Nothing,
            },
        };
        let mut cursor = Cursor {
            segment: 0,
            at: 0,
            records: 0,
            limit,
        };
        cursor.enter(lane);
        cursor
    }

    /// Begins at what is not consumed of the current segment.
    fn enter(&mut self, lane: &Lane) {
        if let Some(segment) = lane.segments.get(self.segment) {
            self.at = segment.consumed();
            self.records = segment.consumed_records();
        }
    }

    /// Copies the lane's next record. False: there is none now.
    fn advance(&mut self, lane: &mut Lane, out: &mut Vec<u8>, counts: &Counts) -> bool {
        loop {
            let Some(segment) = lane.segments.get(self.segment) else {
                return false;
            };
            match self.limit {
                Limit::Nothing => return false,
                Limit::At(sequence, at) if segment.sequence() == sequence && self.at >= at => {
                    return false;
                }
                _ => {}
            }
            // In this order: once sealed, what is committed is final.
            let sealed = segment.sealed();
            let committed = segment.committed();
            if self.at < committed {
                match segment.frame(self.at, committed) {
                    Ok((payload, next)) => {
                        out.extend_from_slice(payload);
                        self.at = next;
                        self.records += 1;
                        return true;
                    }
                    Err(Torn) => {
                        let place = Some((segment.sequence(), self.at));
                        if lane.damage != place {
                            lane.damage = place;
                            counts.corrupt.fetch_add(1, Ordering::Relaxed);
                        }
                        // Lengths lead from frame to frame, so nothing behind a broken one can be found again.
                        self.at = committed;
                        self.records = self.records.max(segment.records());
                        continue;
                    }
                }
            }
            if !sealed {
                return false;
            }
            if self.segment + 1 == lane.segments.len() {
                lane.follow();
            }
            if self.segment + 1 == lane.segments.len() {
                return false;
            }
            self.segment += 1;
            self.enter(lane);
        }
    }

    /// The segments that were passed and the one that the cursor stands in.
    fn marks<'a>(&self, lane: &'a Lane) -> impl Iterator<Item = Mark> + use<'a> {
        let (current, at, records) = (self.segment, self.at, self.records);
        lane.segments
            .iter()
            .take(current + 1)
            .enumerate()
            .filter_map(move |(index, segment)| {
                let (at, records) = if index < current {
                    (segment.committed(), segment.records())
                } else {
                    (at, records)
                };
                (at > segment.consumed()).then_some(Mark {
                    lane: lane.name,
                    sequence: segment.sequence(),
                    at,
                    records,
                })
            })
    }
}
