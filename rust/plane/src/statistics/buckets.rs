//! Distributions in little room: counts by logarithmic buckets, four to an octave.
//!
//! A bucket is at most a quarter wide, so a percentile that is interpolated inside it is off by an eighth on average and by a quarter at
//! worst. That is less than the same percentile moves from one minute to the next, and it makes a distribution of seventy numbers instead of
//! one for each request. The range is chosen so that what lies outside is equally bad (a first token after two minutes) or equally good
//! (sixteen thousand tokens a second); it is counted in the last bucket, or the first.

use std::sync::atomic::{AtomicU16, Ordering};

/// Buckets of times to the first token: 1 ms to 134 s.
pub(super) const TTFT_BUCKETS: usize = 17 * STEPS;
/// Buckets of speeds: 1 to 16,800 tokens a second.
pub(super) const SPEED_BUCKETS: usize = 14 * STEPS;
/// Buckets in an octave.
const STEPS: usize = 4;
/// Values are counted in units of 2^10: microseconds in (nearly) milliseconds, tokens per 1000 seconds in tokens per second.
const UNIT_BITS: u32 = 10;
/// A bucket that has reached this is full: further values are left out. 60,000 in a minute are a fair sample of the minute.
const COUNT_MAX: u16 = 60_000;

/// Counts by bucket, written by several threads.
#[derive(Debug)]
pub(super) struct Buckets<const N: usize>([AtomicU16; N]);

impl<const N: usize> Default for Buckets<N> {
    fn default() -> Self {
        Buckets(std::array::from_fn(|_| AtomicU16::new(0)))
    }
}

impl<const N: usize> Buckets<N> {
    /// Counts a value.
    pub(super) fn add(&self, value: u32) {
        if let Some(cell) = self.0.get(index(value).min(N - 1))
            && cell.load(Ordering::Relaxed) < COUNT_MAX
        {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn clear(&self) {
        for cell in &self.0 {
            cell.store(0, Ordering::Relaxed);
        }
    }

    /// Adds the counts to a sum.
    pub(super) fn add_to(&self, sum: &mut [u32; N]) {
        for (sum, cell) in sum.iter_mut().zip(&self.0) {
            *sum += u32::from(cell.load(Ordering::Relaxed));
        }
    }

    /// Counts that are not zero, by bucket: what is stored of them.
    pub(super) fn filled(&self) -> Vec<(u16, u16)> {
        (0..)
            .zip(&self.0)
            .map(|(index, cell)| (index, cell.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// Puts stored counts back. Buckets that there are none of are left out.
    pub(super) fn restore(&self, filled: &[(u16, u16)]) {
        for (index, count) in filled {
            if let Some(cell) = self.0.get(usize::from(*index)) {
                cell.store((*count).min(COUNT_MAX), Ordering::Relaxed);
            }
        }
    }
}

/// The bucket of a value, not bounded above.
fn index(value: u32) -> usize {
    let units = (value >> UNIT_BITS).max(1);
    let octave = units.ilog2();
    // The two bits behind the first one; where there are fewer, zeros.
    let step = if octave >= 2 {
        units >> (octave - 2)
    } else {
        units << (2 - octave)
    } & 3;
    octave as usize * STEPS + step as usize
}

/// Where a bucket begins.
fn lower(index: usize) -> u64 {
    let (octave, step) = (index / STEPS, index % STEPS);
    (((STEPS + step) as u64) << octave << UNIT_BITS) / STEPS as u64
}

/// The values that so many per mille of the counted ones do not exceed. `None` when fewer than `count_min` were counted.
pub(super) fn percentiles<const N: usize, const M: usize>(
    counts: &[u32; N],
    permille: [u32; M],
    count_min: u32,
) -> Option<[u32; M]> {
    let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    if total < u64::from(count_min.max(1)) {
        return None;
    }
    Some(permille.map(|permille| {
        // Of `total` values in order the one at this place, from 1 (nearest rank).
        let rank = (total * u64::from(permille)).div_ceil(1000).max(1);
        let mut below = 0;
        for (index, count) in counts.iter().enumerate() {
            let count = u64::from(*count);
            if count > 0 && below + count >= rank {
                let (from, to) = (lower(index), lower(index + 1));
                let value = from + (to - from) * (2 * (rank - below) - 1) / (2 * count);
                return u32::try_from(value).unwrap_or(u32::MAX);
            }
            below += count;
        }
        u32::MAX
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted<const N: usize>(values: &[u32]) -> [u32; N] {
        let buckets = Buckets::<N>::default();
        values.iter().for_each(|value| buckets.add(*value));
        let mut sum = [0; N];
        buckets.add_to(&mut sum);
        sum
    }

    #[test]
    fn a_bucket_holds_what_lies_between_its_bounds() {
        for value in (0..27).flat_map(|bit| [1u32 << bit, (1 << bit) + 1, (1 << bit) * 3 / 2]) {
            let index = index(value);
            let value = u64::from(value).max(1 << UNIT_BITS);
            // Below four units the steps are coarser than the buckets.
            if value >= 4 << UNIT_BITS {
                assert!(
                    (lower(index)..lower(index + 1)).contains(&value),
                    "{value} in {index}"
                );
            }
        }
    }

    #[test]
    fn percentiles_are_within_a_quarter_of_the_exact_ones() {
        let mut random = fastrand::Rng::with_seed(3);
        for round in 0..200 {
            let count = random.usize(1..2000);
            let top = 1u32 << random.u32(14..27);
            let mut values: Vec<u32> = (0..count)
                .map(|_| random.u32(4 << UNIT_BITS..top.max(8 << UNIT_BITS)))
                .collect();
            values.sort_unstable();
            let found = percentiles(
                &counted::<TTFT_BUCKETS>(&values),
                [500, 750, 900, 950, 990],
                1,
            )
            .expect("there are some");
            for (permille, found) in [500, 750, 900, 950, 990].into_iter().zip(found) {
                let rank = (count * permille).div_ceil(1000).max(1);
                let exact = f64::from(values[rank - 1]);
                let off = (f64::from(found) - exact).abs() / exact;
                assert!(off <= 0.25, "round {round}: {found} for {exact}");
            }
        }
    }

    #[test]
    fn too_few_values_have_no_percentiles() {
        let counts = counted::<TTFT_BUCKETS>(&[50_000, 50_000]);
        assert_eq!(percentiles(&counts, [500], 3), None);
        assert!(percentiles(&counts, [500], 2).is_some());
        assert_eq!(percentiles(&[0; TTFT_BUCKETS], [500], 0), None);
    }

    #[test]
    fn what_lies_outside_is_counted_at_the_ends() {
        let counts = counted::<SPEED_BUCKETS>(&[0, u32::MAX]);
        assert_eq!((counts[0], counts[SPEED_BUCKETS - 1]), (1, 1));
    }

    #[test]
    fn a_full_bucket_stays_full() {
        let buckets = Buckets::<4>::default();
        for _ in 0..u32::from(COUNT_MAX) + 10 {
            buckets.add(0);
        }
        let mut sum = [0; 4];
        buckets.add_to(&mut sum);
        assert_eq!(sum, [u32::from(COUNT_MAX), 0, 0, 0]);
    }

    #[test]
    fn counts_come_back_as_they_were() {
        let (before, after) = (Buckets::<8>::default(), Buckets::<8>::default());
        [0, 3000, 3000, 9000].iter().for_each(|v| before.add(*v));
        after.restore(&before.filled());
        after.restore(&[(900, 5)]);
        assert_eq!(after.filled(), before.filled());
    }
}
