//! The rendered text against a strict little checker of OpenMetrics, and the sums over shards.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const KINDS: &[&str] = &["unauthorized", "rate_limited"];

/// Samples by name and sorted labels, each with its value as written.
type Samples = BTreeMap<Key, String>;
type Key = (String, Vec<(String, String)>);

#[derive(Default)]
struct Family {
    kind: String,
    unit: String,
}

/// Reads the text and fails on the first thing that OpenMetrics 1.0 forbids.
fn check(text: &str) -> Samples {
    let body = text
        .strip_suffix("# EOF\n")
        .expect("the text ends with its end mark");
    assert!(!body.contains("# EOF"), "one end mark");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut samples = Samples::new();
    for line in body.lines() {
        if let Some(meta) = line.strip_prefix("# ") {
            let mut words = meta.splitn(3, ' ');
            let (what, name, rest) = (
                words.next().unwrap_or(""),
                words.next().unwrap_or(""),
                words.next().unwrap_or(""),
            );
            assert!(name.starts_with("turnout_"), "{line}");
            match what {
                "HELP" => {
                    assert!(!rest.is_empty(), "{line}");
                    assert!(
                        families
                            .insert(name.to_owned(), Family::default())
                            .is_none(),
                        "family twice: {name}"
                    );
                    current = name.to_owned();
                }
                "TYPE" => families.get_mut(name).expect("HELP comes first").kind = rest.to_owned(),
                "UNIT" => {
                    assert!(name.ends_with(&format!("_{rest}")), "{line}");
                    families.get_mut(name).expect("HELP comes first").unit = rest.to_owned();
                }
                _ => panic!("an unknown comment: {line}"),
            }
            assert_eq!(name, current, "metadata of one family stands together");
            continue;
        }
        let (name, labels, value) = sample(line);
        let kind = families[&current].kind.as_str();
        let suffix = name
            .strip_prefix(&current)
            .unwrap_or_else(|| panic!("{name} under {current}"));
        match kind {
            "counter" => assert_eq!(suffix, "_total", "{line}"),
            "gauge" => assert_eq!(suffix, "", "{line}"),
            "info" => assert_eq!((suffix, value.as_str()), ("_info", "1"), "{line}"),
            "histogram" => assert!(["_sum", "_count", "_bucket"].contains(&suffix), "{line}"),
            _ => panic!("an unknown type: {kind}"),
        }
        let number: f64 = value.parse().expect("a value is a number");
        assert!(number.is_finite() && number >= 0.0, "{line}");
        let keys: BTreeSet<&String> = labels.iter().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), labels.len(), "a label twice: {line}");
        assert!(
            samples.insert((name, labels), value).is_none(),
            "a sample twice: {line}"
        );
    }
    assert!(families.values().all(|family| !family.kind.is_empty()));
    histograms_add_up(&samples);
    samples
}

/// `name{key="value",…} number`, with exactly the escapes that the format knows.
fn sample(line: &str) -> (String, Vec<(String, String)>, String) {
    let end = line.find(['{', ' ']).expect("a name ends");
    let name = &line[..end];
    assert!(
        name.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
        "{line}"
    );
    let mut labels = Vec::new();
    let mut rest = &line[end..];
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            rest = rest.strip_prefix(',').unwrap_or(rest);
            let (key, after) = rest.split_once("=\"").expect("a label has a value");
            let mut value = String::new();
            let mut characters = after.char_indices();
            rest = loop {
                let (at, character) = characters.next().expect("a value ends with a quote");
                match character {
                    '"' => break &after[at + 1..],
                    '\\' => value.push(match characters.next() {
                        Some((_, 'n')) => '\n',
                        Some((_, escaped @ ('\\' | '"'))) => escaped,
                        other => panic!("an unknown escape: {other:?}"),
                    }),
                    plain => value.push(plain),
                }
            };
            labels.push((key.to_owned(), value));
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').expect("a space before the value");
    // Labels are a set; their order in the text means nothing.
    labels.sort();
    (name.to_owned(), labels, value.to_owned())
}

/// Buckets rise to `+Inf`, which is the count.
fn histograms_add_up(samples: &Samples) {
    let mut series: BTreeMap<Key, Vec<(f64, u64)>> = BTreeMap::new();
    for ((name, labels), value) in samples {
        let Some(family) = name.strip_suffix("_bucket") else {
            continue;
        };
        let (le, others): (Vec<_>, Vec<_>) =
            labels.iter().cloned().partition(|(key, _)| key == "le");
        assert_eq!(le.len(), 1, "{labels:?}");
        let bound = le[0].1.parse().expect("a bound is a number");
        let count = value.parse().expect("a bucket's count is whole");
        series
            .entry((family.to_owned(), others))
            .or_default()
            .push((bound, count));
    }
    assert!(!series.is_empty());
    for ((family, labels), mut buckets) in series {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(
            buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1),
            "{family}"
        );
        let (bound, last) = buckets[buckets.len() - 1];
        assert_eq!(bound, f64::INFINITY, "{family}");
        assert_eq!(
            samples[&(format!("{family}_count"), labels.clone())],
            last.to_string(),
            "{family}"
        );
        assert!(
            samples.contains_key(&(format!("{family}_sum"), labels)),
            "{family}"
        );
    }
}

fn value<'a>(samples: &'a Samples, name: &str, labels: &[(&str, &str)]) -> &'a str {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let mut labels: Vec<(String, String)> = labels.iter().map(owned).collect();
    labels.sort();
    let found = samples.get(&(name.to_owned(), labels));
    found.unwrap_or_else(|| panic!("no {name} with these labels"))
}

#[test]
fn an_idle_process_renders_valid_text_without_slots() {
    let metrics = Metrics::new(2, KINDS);
    metrics.slot("a/b", "openai");
    let samples = check(&metrics.render(&Gauges::default()));
    assert!(
        samples
            .keys()
            .all(|(_, labels)| labels.iter().all(|(key, _)| key != "model"))
    );
    assert_eq!(
        value(
            &samples,
            "turnout_refusals_total",
            &[("kind", "rate_limited")]
        ),
        "0"
    );
    assert_eq!(
        value(&samples, "turnout_gateway_overhead_seconds_count", &[]),
        "0"
    );
}

#[test]
fn what_every_thread_counted_is_added_up() {
    let metrics = Metrics::new(3, KINDS);
    let slot = metrics.slot("a/b", "openai");
    for thread in 0..3 {
        let shard = metrics.shard(thread);
        let seen = Observation {
            status: 200,
            streamed: thread == 0,
            cancelled: thread == 1,
            ttft_us: 4_000,
            total_us: 2_000_000,
            overhead_us: 40,
            tokens_prompt: 10,
            tokens_completion: 7,
            tokens_cached: 3,
            cost_nano: 150_000,
        };
        shard.generation(slot, &seen);
        shard.generation(
            slot,
            &Observation {
                status: 503,
                total_us: 400_000_000,
                ..Observation::default()
            },
        );
        shard.attempt(slot, Outcome::Ok);
        shard.attempt(slot, Outcome::Cancelled);
        shard.refused(1);
        shard.count(Counter::ConnectionAccepted);
        shard.count(Counter::UpstreamReused);
    }
    let samples = check(&metrics.render(&Gauges::default()));
    let own = [("model", "a/b"), ("provider", "openai")];
    let with = |key, value| [own[0], own[1], (key, value)];
    assert_eq!(
        value(&samples, "turnout_requests_total", &with("status", "200")),
        "3"
    );
    assert_eq!(
        value(&samples, "turnout_requests_total", &with("status", "503")),
        "3"
    );
    assert_eq!(
        value(&samples, "turnout_requests_streamed_total", &own),
        "1"
    );
    assert_eq!(
        value(&samples, "turnout_requests_cancelled_total", &own),
        "1"
    );
    assert_eq!(
        value(&samples, "turnout_tokens_total", &with("kind", "prompt")),
        "30"
    );
    assert_eq!(
        value(
            &samples,
            "turnout_tokens_total",
            &with("kind", "completion")
        ),
        "21"
    );
    assert_eq!(
        value(&samples, "turnout_tokens_total", &with("kind", "cached")),
        "9"
    );
    assert_eq!(
        value(&samples, "turnout_cost_dollars_total", &own),
        "0.00045"
    );
    assert_eq!(
        value(&samples, "turnout_attempts_total", &with("outcome", "ok")),
        "3"
    );
    assert_eq!(
        value(
            &samples,
            "turnout_attempts_total",
            &with("outcome", "cancelled")
        ),
        "3"
    );
    assert_eq!(
        value(&samples, "turnout_request_duration_seconds_sum", &own),
        "1206.0"
    );
    assert_eq!(
        value(&samples, "turnout_request_duration_seconds_count", &own),
        "6"
    );
    assert_eq!(
        value(
            &samples,
            "turnout_request_duration_seconds_bucket",
            &with("le", "300.0")
        ),
        "3"
    );
    // An answer without a first byte has no time to it.
    assert_eq!(
        value(&samples, "turnout_time_to_first_token_seconds_count", &own),
        "3"
    );
    assert_eq!(
        value(&samples, "turnout_gateway_overhead_seconds_count", &[]),
        "6"
    );
    assert_eq!(
        value(
            &samples,
            "turnout_refusals_total",
            &[("kind", "rate_limited")]
        ),
        "3"
    );
    assert_eq!(
        value(
            &samples,
            "turnout_refusals_total",
            &[("kind", "unauthorized")]
        ),
        "0"
    );
    assert_eq!(value(&samples, "turnout_connections_total", &[]), "3");
    assert_eq!(
        value(
            &samples,
            "turnout_upstream_connections_total",
            &[("reused", "true")]
        ),
        "3"
    );
}

#[test]
fn labels_survive_every_character() {
    let metrics = Metrics::new(1, KINDS);
    let hostile = "a\"b\\c\nd{e=\"f\"} 1\n# EOF é";
    let shard = metrics.shard(0);
    let slot = metrics.slot(hostile, "p\\");
    shard.generation(
        slot,
        &Observation {
            status: 200,
            cost_nano: 1,
            ..Observation::default()
        },
    );
    let samples = check(
        &metrics
            .render(&Gauges::default())
            .replace("# EOF é", "# eof é"),
    );
    let model = hostile.replace("# EOF é", "# eof é");
    let own = [("model", model.as_str()), ("provider", "p\\")];
    assert_eq!(
        value(&samples, "turnout_cost_dollars_total", &own),
        "0.000000001"
    );
    assert_eq!(
        value(
            &samples,
            "turnout_requests_total",
            &[own[0], own[1], ("status", "200")]
        ),
        "1"
    );
}

#[test]
fn pairs_past_the_bound_are_counted_as_other() {
    let metrics = Metrics::new(1, KINDS);
    for number in 1..SLOTS_MAX {
        metrics.slot(&number.to_string(), "p");
    }
    let past = metrics.slot("one too many", "p");
    assert_eq!(past, Slot::OTHER);
    metrics.shard(0).attempt(past, Outcome::Ok);
    metrics
        .shard(0)
        .attempt(metrics.slot("1", "p"), Outcome::Ok);
    let samples = check(&metrics.render(&Gauges::default()));
    let labels = |name| {
        [
            ("model", name),
            ("provider", if name == "1" { "p" } else { "_other" }),
            ("outcome", "ok"),
        ]
    };
    assert_eq!(
        value(&samples, "turnout_attempts_total", &labels("_other")),
        "1"
    );
    assert_eq!(value(&samples, "turnout_attempts_total", &labels("1")), "1");
}

#[test]
fn the_last_slot_has_cells() {
    let metrics = Metrics::new(1, KINDS);
    let mut last = Slot::OTHER;
    for number in 1..SLOTS_MAX {
        last = metrics.slot(&number.to_string(), "p");
    }
    metrics.shard(0).generation(
        last,
        &Observation {
            status: 200,
            ..Observation::default()
        },
    );
    let samples = check(&metrics.render(&Gauges::default()));
    let model = (SLOTS_MAX - 1).to_string();
    let labels = [
        ("model", model.as_str()),
        ("provider", "p"),
        ("status", "200"),
    ];
    assert_eq!(value(&samples, "turnout_requests_total", &labels), "1");
}

#[test]
fn gauges_are_shown_as_given() {
    let endpoint = |tag: &str, breaker, uptime| EndpointGauges {
        model: "a/b".into(),
        tag: tag.into(),
        in_flight: 2,
        uptime,
        breaker,
        is_resting: breaker == "open",
        cooldown: Duration::from_millis(1500),
    };
    let gauges = Gauges {
        endpoints: vec![
            endpoint("one", "closed", Some(0.75)),
            endpoint("two", "open", None),
        ],
        config_generation: 7,
        config_digest: "abc".to_owned(),
        reload_ok: true,
        started: Duration::from_millis(1_750_000_000_250),
        uptime: Duration::from_millis(1_500),
        connections_open: 3,
        requests_in_flight: 2,
        upstream_connections_idle: 5,
        response_cache: (21, 22),
        journal: journal::Stats {
            pending_records: 11,
            pending_bytes: 12,
            disk_bytes: 13,
            memory_bytes: 14,
            memory_segments: 15,
            appended: 16,
            adopted: 17,
            dropped: 18,
            corrupt: 19,
            disk_error: Some("full".to_owned()),
        },
        ledger_behind: true,
    };
    let samples = check(&Metrics::new(1, KINDS).render(&gauges));
    for (name, expected) in [
        ("turnout_config_generation", "7"),
        ("turnout_config_reload_ok", "1"),
        ("turnout_start_time_seconds", "1750000000.25"),
        ("turnout_uptime_seconds", "1.5"),
        ("turnout_connections_open", "3"),
        ("turnout_requests_in_flight", "2"),
        ("turnout_upstream_connections_idle", "5"),
        ("turnout_response_cache_answers", "21"),
        ("turnout_response_cache_bytes", "22"),
        ("turnout_journal_pending_records", "11"),
        ("turnout_journal_pending_bytes", "12"),
        ("turnout_journal_disk_bytes", "13"),
        ("turnout_journal_memory_bytes", "14"),
        ("turnout_journal_memory_segments_total", "15"),
        ("turnout_journal_appended_records_total", "16"),
        ("turnout_journal_adopted_records_total", "17"),
        ("turnout_journal_dropped_records_total", "18"),
        ("turnout_journal_corrupt_total", "19"),
        ("turnout_journal_disk_ok", "0"),
        ("turnout_ledger_behind", "1"),
    ] {
        assert_eq!(value(&samples, name, &[]), expected, "{name}");
    }
    let (one, two) = (
        [("model", "a/b"), ("endpoint", "one")],
        [("model", "a/b"), ("endpoint", "two")],
    );
    for (name, labels, expected) in [
        ("turnout_endpoint_in_flight", one, "2"),
        ("turnout_endpoint_uptime_ratios", one, "0.75"),
        ("turnout_endpoint_resting", one, "0.0"),
        ("turnout_endpoint_resting", two, "1.0"),
        ("turnout_endpoint_cooldown_seconds", two, "1.5"),
    ] {
        let shown: f64 = value(&samples, name, &labels).parse().expect("a number");
        let expected: f64 = expected.parse().expect("a number");
        assert!((shown - expected).abs() < 1e-9, "{name}: {shown}");
    }
    for (state, expected) in [("closed", "0"), ("half_open", "0"), ("open", "1")] {
        let labels = [two[0], two[1], ("state", state)];
        assert_eq!(
            value(&samples, "turnout_endpoint_breaker", &labels),
            expected
        );
    }
    assert_eq!(
        value(&samples, "turnout_config_info", &[("digest", "abc")]),
        "1"
    );
}
