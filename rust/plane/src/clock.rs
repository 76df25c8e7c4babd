//! The one clock, the timers that wait on it, and the lazy one that seldom has to.
//!
//! All times come from here: one clock for spans, which tests and the simulator can move, and the system's for dates. In unit tests
//! the clock for spans is Tokio's, so that a test that pauses it has both stand still.
//!
//! A runtime that keeps timers asks for the time twice and looks through them whenever it rests, which a thread of the
//! plane does several times in a request, and a timer is set once in hundreds of requests. So the plane's threads keep
//! none: theirs are kept by one thread that does nothing else ([`start_timers`]), and wakes them.

use std::future::{Future, poll_fn};
use std::io;
use std::ops::{Add, Sub};
use std::pin::Pin;
use std::sync::{Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::{Builder, Handle};
use tokio::time::{Interval, Sleep, Timeout};

use crate::lock::lock;

/// Of the thread that keeps the timers, once there is one.
static TIMERS: OnceLock<Handle> = OnceLock::new();

/// The first instant that was made a moment, and its date in milliseconds since 1970.
static FIRST: OnceLock<(Instant, u64)> = OnceLock::new();

/// Starts the thread that keeps the timers of this process, unless there is one.
pub(crate) fn start_timers() -> io::Result<()> {
    static STARTING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = lock(&STARTING);
    if TIMERS.get().is_none() {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let handle = runtime.handle().clone();
        // For as long as the process lives: a timer must not outlive who keeps it.
        std::thread::Builder::new()
            .name("dp-timers".to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
        let _ = TIMERS.set(handle);
    }
    Ok(())
}

/// Makes something that waits. Where no thread keeps timers, as in a test that moves the clock, the own runtime does.
fn kept<T>(make: impl FnOnce() -> T) -> T {
    let _entered = TIMERS.get().map(Handle::enter);
    make()
}

/// Ready when `time` has passed.
pub(crate) fn sleep(time: Duration) -> Sleep {
    kept(|| tokio::time::sleep(time))
}

/// Ready now, and whenever another `period` has passed.
pub(crate) fn every(period: Duration) -> Interval {
    kept(|| tokio::time::interval(period))
}

/// Runs `future` for at most `time`. For what is rare: see [`Timer::within`].
pub(crate) fn timeout<F: Future>(time: Duration, future: F) -> Timeout<F> {
    kept(|| tokio::time::timeout(time, future))
}

/// A point in time, as nanoseconds of a clock that never goes back; it means something in this process only.
///
/// One number, because a request takes about ten differences: those of the standard library, which keeps seconds apart, cost
/// twenty instructions each. What would lie before or after all time is its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(u64);

impl Instant {
    pub(crate) fn now() -> Instant {
        Instant(moved::nanos())
    }

    /// How long ago that was.
    pub(crate) fn elapsed(self) -> Duration {
        Instant::now() - self
    }

    /// The time since then; zero when that is later.
    pub(crate) fn duration_since(self, earlier: Instant) -> Duration {
        self - earlier
    }

    /// For Tokio's timers, which have another clock.
    fn of_timers(self) -> tokio::time::Instant {
        tokio::time::Instant::now() + (self - Instant::now())
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, time: Duration) -> Instant {
        Instant(self.0.saturating_add(nanos_of(time)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, time: Duration) -> Instant {
        Instant(self.0.saturating_sub(nanos_of(time)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

fn nanos_of(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The system's clock, unless the simulator has taken it over.
#[cfg(not(test))]
mod moved {
    #![allow(unsafe_code)]

    use std::sync::atomic::{AtomicU64, Ordering};

    /// Where the clock stands still; zero while it runs.
    static STANDS_AT: AtomicU64 = AtomicU64::new(0);

    #[inline]
    pub(super) fn nanos() -> u64 {
        match STANDS_AT.load(Ordering::Relaxed) {
            0 => system(),
            at => at,
        }
    }

    #[inline]
    fn system() -> u64 {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the answer is written to `time`, which is there for as long as the call. The clock is one that every system has,
        // so there is no failure to look for.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }

    pub(super) fn on(by: u64) {
        STANDS_AT.store(nanos().saturating_add(by), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod moved {
    use std::sync::OnceLock;

    use tokio::time::Instant;

    /// So long after the start of time that a test can look back.
    const BEFORE: u64 = 1_000_000_000_000_000;

    pub(super) fn nanos() -> u64 {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        let now = Instant::now();
        let first = *FIRST.get_or_init(|| now);
        match now.checked_duration_since(first) {
            Some(after) => BEFORE + super::nanos_of(after),
            None => BEFORE - super::nanos_of(first - now),
        }
    }
}

/// Lets the clock stand still from now on, at a date that is always the same. For the simulator; in unit tests Tokio's time is paused
/// instead, and dates are what they are.
pub(crate) fn stand_still() {
    #[cfg(not(test))]
    {
        moved::on(0);
        let _ = FIRST.set((Instant::now(), 1_800_000_000_000));
    }
}

/// Moves the clock on. For the simulator, which has a process of its own; in unit tests Tokio's
/// time has to be paused.
#[cfg_attr(not(test), expect(clippy::unused_async, reason = "as in tests"))]
pub(crate) async fn advance(by: Duration) {
    #[cfg(test)]
    tokio::time::advance(by).await;
    #[cfg(not(test))]
    moved::on(nanos_of(by));
}

/// Milliseconds since 1970, for dates in records and ids.
pub(crate) fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64)
}

/// The same in seconds.
pub(crate) fn unix_seconds() -> u64 {
    unix_ms() / 1000
}

/// A point in time in whole milliseconds that never goes back: the date when the process first asked, and what has passed since.
///
/// For what threads leave each other in atomics, and for what is to mean the same after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    pub(crate) fn now() -> Moment {
        Moment::of(Instant::now())
    }

    /// The moment of an instant.
    pub(crate) fn of(instant: Instant) -> Moment {
        let (first, unix) = FIRST.get_or_init(|| (instant, unix_ms()));
        Moment(unix.saturating_add(instant.0.saturating_sub(first.0) / 1_000_000))
    }

    /// The moment that many microseconds later: cheaper than that of another instant.
    pub(crate) fn after_us(self, micros: u64) -> Moment {
        Moment(self.0.saturating_add(micros / 1000))
    }

    /// Milliseconds since 1970.
    pub(crate) fn ms(self) -> u64 {
        self.0
    }

    /// The moment of that many milliseconds since 1970.
    #[cfg(test)]
    pub(crate) fn of_ms(ms: u64) -> Moment {
        Moment(ms)
    }
}

/// Microseconds between two instants, zero when they are out of order.
pub(crate) fn micros(from: Instant, to: Instant) -> u64 {
    to.0.saturating_sub(from.0) / 1000
}

/// A deadline that is moved far more often than it passes.
///
/// Registering a timer costs more than most waits last. So the registered time is only ever moved when it is *later*
/// than the deadline; when it fires early it looks at the real deadline and goes back to sleep. One per connection.
#[derive(Debug)]
pub(crate) struct Timer {
    /// Made at the first wait that really waits; and when it fires.
    sleep: Option<(Pin<Box<Sleep>>, Instant)>,
}

/// A wait that took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elapsed;

impl Timer {
    pub(crate) fn new() -> Self {
        Timer { sleep: None }
    }

    /// Ready when `deadline` has passed.
    pub(crate) fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let (sleep, fires) = self.sleep.get_or_insert_with(|| {
            let sleep = kept(|| tokio::time::sleep_until(deadline.of_timers()));
            (Box::pin(sleep), deadline)
        });
        let is_late = *fires > deadline;
        let mut set = |sleep: &mut Pin<Box<Sleep>>, at: Instant| {
            sleep.as_mut().reset(at.of_timers());
            *fires = at;
        };
        if is_late {
            set(sleep, deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                // Not registered any more; the next poll re-arms it.
                set(sleep, deadline + Duration::from_secs(3600));
                return Poll::Ready(());
            }
            set(sleep, deadline);
        }
        Poll::Pending
    }

    /// Runs `future` for at most `time`. Neither the clock nor the timer is touched when it need not wait.
    pub(crate) async fn within<F: Future>(
        &mut self,
        time: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let mut future = std::pin::pin!(future);
        let mut deadline = None;
        poll_fn(|cx| {
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(value));
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + time);
            self.poll(deadline, cx).map(|()| Err(Elapsed))
        })
        .await
    }

    /// Runs `future` until `deadline`. The timer is touched only when the future has to wait.
    pub(crate) async fn race<F: Future>(
        &mut self,
        deadline: Instant,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let mut future = std::pin::pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(value));
            }
            self.poll(deadline, cx).map(|()| Err(Elapsed))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn fires_at_the_moved_deadline_not_before() {
        let mut timer = Timer::new();
        let start = Instant::now();
        for seconds in [5, 20, 3] {
            let at = Instant::now() + Duration::from_secs(seconds);
            assert_eq!(
                timer.race(at, std::future::pending::<()>()).await,
                Err(Elapsed)
            );
            assert!(Instant::now() >= at && Instant::now() < at + Duration::from_millis(5));
        }
        assert!(start.elapsed() >= Duration::from_secs(28));
    }

    #[tokio::test(start_paused = true)]
    async fn an_early_registration_does_not_cut_a_later_deadline() {
        let mut timer = Timer::new();
        let quick = tokio::time::sleep(Duration::from_secs(1));
        assert!(
            timer
                .race(Instant::now() + Duration::from_secs(2), quick)
                .await
                .is_ok()
        );
        let slow = tokio::time::sleep(Duration::from_secs(9));
        assert!(
            timer
                .race(Instant::now() + Duration::from_secs(10), slow)
                .await
                .is_ok()
        );
    }
}
