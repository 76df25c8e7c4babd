//! What routing sees after what happened.

use super::*;

fn at(ms: u64) -> Moment {
    Moment::of_ms(1_800_000_000_000 + ms)
}

/// A statistics with a breaker of three failures, open for 10 s at first and a minute at most.
fn statistics() -> Statistics {
    let statistics = Statistics::default();
    statistics.tuning.failures.store(3, Ordering::Relaxed);
    statistics.tuning.open_ms.store(10_000, Ordering::Relaxed);
    statistics
        .tuning
        .open_max_ms
        .store(60_000, Ordering::Relaxed);
    statistics
}

const FAILED: Ending = Ending::Failed { cool_ms: None };
const LIMITED: Ending = Ending::Limited { cool_ms: None };

fn served() -> Ending {
    Ending::Served(Served {
        ttft_us: Some(200_000),
        took_us: 1_000_000,
        prompt: 100,
        cached: 40,
        completion: 50,
        calls_wrongly: None,
    })
}

/// One attempt, begun and ended at this moment, so many times.
fn end(statistics: &Statistics, ending: Ending, times: usize, ms: u64) {
    for _ in 0..times {
        statistics.begin(at(ms)).end(ending, at(ms));
    }
}

fn look(statistics: &Statistics, ms: u64) -> Look {
    statistics.is_touched.store(true, Ordering::Relaxed);
    statistics.tick(at(ms));
    statistics.look_at(at(ms))
}

#[test]
fn requests_are_in_flight_until_they_end_or_are_dropped() {
    let statistics = statistics();
    let (one, two) = (statistics.begin(at(0)), statistics.begin(at(0)));
    assert_eq!(statistics.look_at(at(0)).in_flight, 2);
    one.end(served(), at(1));
    drop(two);
    assert_eq!(statistics.look_at(at(1)).in_flight, 0);
    assert_eq!(look(&statistics, 1).requests, 1, "a dropped one is none");
}

#[test]
fn r02_a_failure_counts_for_half_a_minute() {
    let statistics = statistics();
    end(&statistics, FAILED, 1, 0);
    assert!(statistics.look_at(at(29_999)).is_failing);
    assert!(!statistics.look_at(at(30_000)).is_failing);
    statistics.tuning.outage_ms.store(0, Ordering::Relaxed);
    assert!(!statistics.look_at(at(1)).is_failing);
}

#[test]
fn one_failure_among_many_is_no_outage_once_something_is_served() {
    let statistics = statistics();
    end(&statistics, served(), 50, 0);
    end(&statistics, FAILED, 1, 1000);
    assert!(look(&statistics, 1000).is_failing);
    end(&statistics, served(), 1, 2000);
    assert!(!look(&statistics, 2000).is_failing);
    end(&statistics, FAILED, 8, 3000);
    end(&statistics, served(), 1, 4000);
    assert!(look(&statistics, 4000).is_failing, "a tenth of them failed");
}

#[test]
fn what_is_neutral_is_not_counted() {
    let statistics = statistics();
    end(&statistics, Ending::Neutral, 200, 0);
    assert_eq!(look(&statistics, 0), Look::default());
}

#[test]
fn r33_uptime_has_three_tiers_from_a_hundred_requests_on() {
    for (good, bad, tier) in [
        (89, 10, Uptime::Normal),
        (95, 5, Uptime::Normal),
        (94, 6, Uptime::Lower),
        (80, 20, Uptime::Lower),
        (79, 21, Uptime::Fallback),
    ] {
        let statistics = statistics();
        end(&statistics, served(), good, 0);
        end(&statistics, FAILED, bad, 0);
        assert_eq!(
            look(&statistics, 0).uptime,
            tier,
            "{good} of {}",
            good + bad
        );
        // It is a rolling time: half an hour later nothing is left of it.
        assert_eq!(look(&statistics, 31 * 60_000).uptime, Uptime::Normal);
    }
}

#[test]
fn r34_being_told_to_come_back_later_leaves_uptime_alone() {
    let statistics = statistics();
    end(&statistics, served(), 100, 0);
    end(&statistics, LIMITED, 300, 0);
    let look = look(&statistics, 0);
    assert_eq!((look.uptime, look.failed_permille), (Uptime::Normal, 0));
    assert_eq!((look.limited_permille, look.requests), (750, 400));
    assert!(!look.is_failing);
}

#[test]
fn percentiles_and_means_are_those_of_the_requests() {
    let statistics = statistics();
    end(&statistics, served(), 2, 0);
    assert_eq!(look(&statistics, 0).ttft_us, None, "two are too few");
    end(&statistics, served(), 8, 0);
    let seen = look(&statistics, 0);
    let within = |value: u32, exact: u32| value.abs_diff(exact) <= exact / 4;
    assert!(
        seen.ttft_us
            .is_some_and(|ttft| ttft.iter().all(|t| within(*t, 200_000)))
    );
    assert!(seen.ttft_p95_us.is_some_and(|ttft| within(ttft, 200_000)));
    assert!(
        seen.speed
            .is_some_and(|speed| speed.iter().all(|s| within(*s, 50_000)))
    );
    let mean = Mean {
        prompt: 100,
        cached: 40,
        completion: 50,
    };
    assert_eq!(seen.mean, Some(mean));
    // After five minutes they still stand for want of newer ones, after half an hour no more.
    assert!(look(&statistics, 10 * 60_000).ttft_us.is_some());
    assert_eq!(look(&statistics, 40 * 60_000).ttft_us, None);
}

#[test]
fn r32_answers_that_call_tools_are_counted_for_two_hours() {
    let statistics = statistics();
    for (calls_wrongly, times) in [(None, 5), (Some(false), 3), (Some(true), 2)] {
        let ending = Ending::Served(Served {
            calls_wrongly,
            ..Served::default()
        });
        end(&statistics, ending, times, 0);
    }
    let seen = look(&statistics, 90 * 60_000);
    assert_eq!((seen.tool_answers, seen.tool_errors), (5, 2));
    let seen = look(&statistics, 121 * 60_000);
    assert_eq!((seen.tool_answers, seen.tool_errors), (0, 0));
}

#[test]
fn newer_percentiles_take_the_place_of_older_ones() {
    let statistics = statistics();
    let ending = |ttft_us| {
        Ending::Served(Served {
            ttft_us: Some(ttft_us),
            ..Served::default()
        })
    };
    end(&statistics, ending(2_000_000), 20, 0);
    end(&statistics, ending(100_000), 3, 7 * 60_000);
    let ttft = look(&statistics, 7 * 60_000)
        .ttft_us
        .expect("three are enough");
    assert!(ttft[3] < 130_000, "{ttft:?}");
}

#[test]
fn speed_is_what_so_many_reach_at_least() {
    let statistics = statistics();
    for took_s in 1..=100 {
        let served = Served {
            took_us: took_s * 1_000_000,
            completion: 1000,
            ..Served::default()
        };
        end(&statistics, Ending::Served(served), 1, 0);
    }
    // 1000 tokens in 1 to 100 seconds: half take 50 s or less, 20 tokens a second; 99 of 100 reach 10.
    let [p50, _, _, p99] = look(&statistics, 0).speed.expect("known");
    assert!((16_000..25_000).contains(&p50), "{p50}");
    assert!((7_500..12_500).contains(&p99), "{p99}");
}

#[test]
fn r36_the_breaker_opens_after_failures_in_a_row_and_only_then() {
    let statistics = statistics();
    end(&statistics, FAILED, 2, 0);
    end(&statistics, served(), 1, 0);
    end(&statistics, FAILED, 2, 0);
    assert!(!statistics.look_at(at(0)).is_resting);
    end(&statistics, FAILED, 1, 0);
    assert!(statistics.look_at(at(0)).is_resting);
    assert!(statistics.look_at(at(9_999)).is_resting);
}

#[test]
fn r36_a_half_open_breaker_lets_one_through_at_a_time() {
    let statistics = statistics();
    end(&statistics, FAILED, 3, 0);
    assert!(!statistics.look_at(at(10_000)).is_resting);
    let probe = statistics.begin(at(10_000));
    assert!(statistics.look_at(at(10_000)).is_resting, "one is enough");
    // A client that leaves says nothing; the next may go.
    drop_neutral(probe, 10_500);
    assert!(!statistics.look_at(at(10_500)).is_resting);
    // A failed probe opens it for twice as long, and so on up to the bound.
    let mut now = 10_500;
    for open_s in [20, 40, 60, 60] {
        end(&statistics, FAILED, 1, now);
        assert!(statistics.look_at(at(now + open_s * 1000 - 1)).is_resting);
        now += open_s * 1000;
        assert!(!statistics.look_at(at(now)).is_resting);
    }
    end(&statistics, served(), 1, now);
    end(&statistics, FAILED, 2, now);
    assert!(!statistics.look_at(at(now)).is_resting, "it is closed");
    end(&statistics, FAILED, 1, now);
    assert!(statistics.look_at(at(now + 9_999)).is_resting);
    assert!(
        !statistics.look_at(at(now + 10_000)).is_resting,
        "it begins anew"
    );
}

fn drop_neutral(flight: Flight<'_>, ms: u64) {
    flight.end(Ending::Neutral, at(ms));
}

#[test]
fn r36_a_probe_that_never_ends_is_given_up() {
    let statistics = statistics();
    end(&statistics, FAILED, 3, 0);
    let _probe = statistics.begin(at(10_000));
    assert!(statistics.look_at(at(69_999)).is_resting);
    assert!(!statistics.look_at(at(70_000)).is_resting);
}

#[test]
fn failures_while_it_is_open_change_nothing() {
    let statistics = statistics();
    end(&statistics, FAILED, 30, 0);
    assert!(!statistics.look_at(at(10_000)).is_resting);
}

#[test]
fn a_breaker_that_is_switched_off_never_opens() {
    let statistics = statistics();
    statistics.tuning.failures.store(0, Ordering::Relaxed);
    end(&statistics, FAILED, 1000, 0);
    assert!(!statistics.look_at(at(0)).is_resting);
}

#[test]
fn it_rests_for_as_long_as_it_asks_for_within_the_bound() {
    let statistics = statistics();
    end(
        &statistics,
        Ending::Limited {
            cool_ms: Some(7000),
        },
        1,
        0,
    );
    assert!(statistics.look_at(at(6_999)).is_resting);
    assert!(!statistics.look_at(at(7_000)).is_resting);
    let day = Ending::Failed {
        cool_ms: Some(86_400_000),
    };
    end(&statistics, day, 1, 0);
    assert!(statistics.look_at(at(599_999)).is_resting);
    assert!(!statistics.look_at(at(600_000)).is_resting);
}

#[test]
fn what_is_served_after_it_asked_for_rest_ends_the_rest() {
    let statistics = statistics();
    let older = statistics.begin(at(0));
    end(
        &statistics,
        Ending::Limited {
            cool_ms: Some(7000),
        },
        1,
        100,
    );
    older.end(served(), at(200));
    assert!(statistics.look_at(at(200)).is_resting);
    end(&statistics, served(), 1, 300);
    assert!(!statistics.look_at(at(300)).is_resting);
}

#[test]
fn r36_the_cap_is_learnt_from_429s_and_grows_again() {
    let statistics = statistics();
    let mut flights: Vec<_> = (0..20).map(|_| statistics.begin(at(0))).collect();
    assert!(!statistics.look_at(at(0)).is_resting);
    // The twentieth is one too many, and so is the nineteenth, which is the same sign.
    for _ in 0..2 {
        flights
            .pop()
            .expect("there are twenty")
            .end(LIMITED, at(100));
    }
    // 85 % of twenty: with eighteen in flight it is full.
    assert!(statistics.look_at(at(100)).is_resting);
    flights.drain(..2);
    assert!(!statistics.look_at(at(100)).is_resting, "sixteen");
    flights.push(statistics.begin(at(200)));
    assert!(statistics.look_at(at(200)).is_resting, "seventeen");
    // Each round that uses it up without a 429 makes room for one more.
    for _ in 0..20 {
        let flight = statistics.begin(at(300));
        flight.end(served(), at(400));
    }
    assert!(!statistics.look_at(at(400)).is_resting, "eighteen by now");
    // A cap of which nothing was heard for ten minutes is none.
    flights.extend((0..50).map(|_| statistics.begin(at(400))));
    assert!(statistics.look_at(at(400)).is_resting);
    assert!(!statistics.look_at(at(600_101)).is_resting);
}

#[test]
fn an_endpoint_costs_less_than_four_kibibytes() {
    let size = size_of::<Statistics>() + size_of::<History>();
    assert!(size <= 4096, "{size}");
    assert!(
        size_of::<Statistics>() <= 320,
        "{}",
        size_of::<Statistics>()
    );
}

#[test]
fn r36_an_endpoint_that_fails_far_more_than_its_peers_is_left_alone() {
    let registry = Registry::default();
    let (bad, good) = (registry.of("a/b", "bad"), registry.of("a/b", "good"));
    let half = |statistics: &Statistics, ms| {
        for _ in 0..15 {
            end(statistics, FAILED, 1, ms);
            end(statistics, served(), 1, ms);
        }
    };
    half(&bad, 0);
    registry.tick(at(0));
    assert!(
        !bad.look_at(at(0)).is_resting,
        "there is none to compare with"
    );
    end(&good, served(), 30, 0);
    registry.tick(at(0));
    assert!(bad.look_at(at(0)).is_resting && !good.look_at(at(0)).is_resting);
    // A probe that is served closes it, and what had failed before does not open it again.
    end(&bad, served(), 1, 30_000);
    registry.tick(at(30_000));
    assert!(!bad.look_at(at(30_000)).is_resting);
    // When all of them fail it is left to the failures in a row.
    let (one, two) = (registry.of("c/d", "one"), registry.of("c/d", "two"));
    half(&one, 0);
    half(&two, 0);
    registry.tick(at(0));
    assert!(!one.look_at(at(0)).is_resting && !two.look_at(at(0)).is_resting);
}

/// A folder of its own, removed at the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("turnout-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn z16_statistics_survive_a_restart() {
    let folder = Folder::new("statistics-survive");
    let before = Registry::default();
    let statistics = before.of("a/b", "x");
    end(&statistics, served(), 200, 0);
    end(&statistics, FAILED, 20, 5 * 60_000);
    end(&statistics, LIMITED, 7, 5 * 60_000);
    before.of("a/b", "never asked");
    before
        .credential("p", "key-1")
        .limited(Some(60_000), at(5 * 60_000));
    let now = at(5 * 60_000 + 500);
    before.tick(now);
    before.save(&folder.0, now).expect("it can be written");
    let after = Registry::default();
    after.restore(&folder.0, now).expect("it can be read");
    let (old, new) = (statistics.look_at(now), after.of("a/b", "x").look_at(now));
    assert_eq!(old, new);
    assert!(new.is_failing && new.is_resting && new.ttft_us.is_some());
    assert_eq!((new.requests, new.uptime), (227, Uptime::Lower));
    assert_eq!(after.credential("p", "key-1").look(now).cooldown_ms, 59_500);
    // What was remembered when it was written is forgotten when it is read late.
    let late = Registry::default();
    let next_day = at(26 * 3_600_000);
    late.restore(&folder.0, next_day).expect("it can be read");
    assert_eq!(late.of("a/b", "x").look_at(next_day), Look::default());
}

#[test]
fn z16_a_file_that_cannot_be_used_is_left_out_with_a_sentence() {
    let folder = Folder::new("statistics-corrupt");
    let registry = Registry::default();
    assert_eq!(
        registry.restore(&folder.0, at(0)),
        Ok(()),
        "there is none yet"
    );
    for text in [
        "",
        "{",
        "[1]",
        r#"{"version":99,"endpoints":[],"credentials":[]}"#,
        r#"{"version":1,"endpoints":[{"model":"a/b"}],"credentials":[]}"#,
    ] {
        std::fs::write(folder.0.join("statistics.json"), text).expect("it can be written");
        let wrong = registry.restore(&folder.0, at(0)).expect_err(text);
        assert!(wrong.contains("statistics.json"), "{wrong}");
    }
    // Numbers that no period or bucket has do no harm.
    let period = r#"{"number":4294967295,"answers":[1,1,1],"tokens":[1,1,1],"ttft":[[9,1],[65535,1]],"speed":[]}"#;
    let text = format!(
        r#"{{"version":1,"endpoints":[{{"model":"a/b","tag":"x","failed_at":18446744073709551615,"served_at":0,"rest":[18446744073709551615,18446744073709551615,4294967295],"minutes":[{period}],"fives":[],"hours":[[4294967295,[1,1,1]]],"quarters":[]}}],"credentials":[{{"provider":"p","label":"k","cooldown_until":18446744073709551615}}]}}"#
    );
    std::fs::write(folder.0.join("statistics.json"), text).expect("it can be written");
    registry.restore(&folder.0, at(0)).expect("it can be read");
    let statistics = registry.of("a/b", "x");
    assert!(statistics.look_at(at(599_999)).is_resting);
    assert!(!statistics.look_at(at(600_001)).is_resting);
    end(&statistics, FAILED, 50, 700_000);
    assert_eq!(
        registry.credential("p", "k").look(at(0)).cooldown_ms,
        600_000
    );
}

#[test]
fn z16_a_full_disk_is_told_of_once_and_loses_nothing() {
    let folder = Folder::new("statistics-full");
    let (file, beside) = (
        folder.0.join("statistics.json"),
        folder.0.join("statistics.json.new"),
    );
    let registry = Registry::default();
    let statistics = registry.of("a/b", "x");
    let mut failing = false;
    let mut save = |ms: u64| {
        registry.tick(at(ms));
        registry.save_telling(&folder.0, at(ms), &mut failing)
    };
    end(&statistics, served(), 1, 0);
    assert_eq!(save(0), None);
    let first = std::fs::read(&file).expect("it is there");
    // Opening works and writing does not, as on a disk without room.
    let fill = || std::os::unix::fs::symlink("/dev/full", &beside).expect("a link can be made");
    end(&statistics, served(), 1, 1000);
    fill();
    let said = save(1000).expect("a sentence");
    assert!(said.contains("cannot be stored"), "{said}");
    assert!(!beside.exists(), "half a file is left");
    fill();
    assert_eq!(save(2000), None, "it is said once");
    assert_eq!(
        std::fs::read(&file).expect("it is there"),
        first,
        "the old one stays"
    );
    // Nothing new has happened, and still there is something to write.
    let said = save(3000).expect("a sentence");
    assert!(said.contains("again"), "{said}");
    assert_eq!(save(4000), None);
    let after = Registry::default();
    after.restore(&folder.0, at(4000)).expect("it can be read");
    assert_eq!(after.of("a/b", "x").look_at(at(4000)).requests, 2);
}

#[test]
fn nothing_is_written_when_nothing_happened() {
    let folder = Folder::new("statistics-idle");
    let registry = Registry::default();
    registry.of("a/b", "x");
    registry.tick(at(0));
    registry
        .save(&folder.0, at(0))
        .expect("there is nothing to do");
    assert!(!folder.0.join("statistics.json").exists());
}

#[test]
fn a_report_shows_what_is_known() {
    let registry = Registry::default();
    let (well, broken) = (registry.of("a/b", "well"), registry.of("a/b", "broken"));
    registry.of("a/b", "never asked");
    end(&well, served(), 10, 0);
    end(&broken, FAILED, 5, 0);
    let report = serde_json::to_value(registry.report(at(0))).expect("it is JSON");
    assert_eq!(report["endpoints"].as_array().map(Vec::len), Some(2));
    let (broken, well) = (&report["endpoints"][0], &report["endpoints"][1]);
    assert_eq!((&well["tag"], &well["status"]), (&"well".into(), &0.into()));
    assert_eq!(well["uptime_last_30m"], 100.0);
    assert_eq!(well["requests_last_30m"], 10);
    let close = |value: &serde_json::Value, to: f64| {
        value
            .as_f64()
            .is_some_and(|value| (value - to).abs() <= to / 4.0)
    };
    assert!(close(&well["latency_last_30m"]["p50"], 200.0), "{well}");
    assert!(close(&well["throughput_last_30m"]["p99"], 50.0), "{well}");
    assert_eq!(
        (&broken["status"], &broken["breaker"]),
        (&(-5).into(), &"open".into())
    );
    assert_eq!(broken["uptime_last_1d"], 0.0);
    assert_eq!(broken["latency_last_30m"], serde_json::Value::Null);
}

#[test]
fn endpoints_keep_their_statistics_while_they_are_configured_and_a_day_longer() {
    let registry = Registry::default();
    let one = registry.of("a/b", "x");
    assert!(Arc::ptr_eq(&one, &registry.of("a/b", "x")));
    assert!(!Arc::ptr_eq(&one, &registry.of("a/b", "y")));
    end(&one, served(), 1, 0);
    let known = Arc::downgrade(&one);
    drop(one);
    registry.tick(at(23 * 3_600_000));
    assert!(known.upgrade().is_some());
    registry.tick(at(25 * 3_600_000));
    assert!(known.upgrade().is_none());
}

#[test]
fn several_threads_lose_no_count_within_a_period() {
    let statistics = statistics();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| end(&statistics, served(), 10_000, 0));
        }
    });
    let seen = look(&statistics, 0);
    assert_eq!((seen.requests, seen.in_flight), (40_000, 0));
}

/// It is no failure and no success; its wait counts as a time to the first token, which is at least that.
#[test]
fn what_was_outrun_counts_only_as_slow() {
    let statistics = statistics();
    end(&statistics, Ending::Outrun { waited_us: 900_000 }, 3, 0);
    let seen = look(&statistics, 0);
    let p95_us = seen.ttft_p95_us.unwrap_or_default();
    assert!(p95_us.abs_diff(900_000) <= 225_000, "{p95_us}");
    assert_eq!(
        (seen.requests, seen.is_failing, seen.in_flight),
        (0, false, 0)
    );
    assert_eq!(seen.speed, None);
}

/// A probe of a breaker that is half open ends without an answer: the next request is the probe.
#[test]
fn what_was_outrun_proves_nothing() {
    let statistics = statistics();
    end(&statistics, FAILED, 3, 0);
    assert!(statistics.look_at(at(0)).is_resting);
    end(&statistics, Ending::Outrun { waited_us: 1 }, 1, 10_000);
    assert!(!statistics.look_at(at(10_000)).is_resting);
}
