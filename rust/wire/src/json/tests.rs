//! What is accepted, and how strings and documents are written.

use super::special::special;
use super::walker::TOO_DEEP;
use super::*;

fn accepts(text: &str) -> bool {
    let mut walker = Walker::new(text);
    walker.value().and_then(|_| walker.finish()).is_ok()
}

fn agrees(text: &str) {
    let theirs = serde_json::from_str::<serde_json::Value>(text).is_ok();
    assert_eq!(accepts(text), theirs, "{text}");
}

#[test]
fn agrees_with_a_full_parser_on_the_corners_of_the_grammar() {
    for text in [
        "",
        " ",
        "{}",
        "[]",
        "[1,]",
        "[,1]",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "[1 2]",
        "nul",
        "null",
        "nullx",
        "true",
        "false",
        "truefalse",
        "-",
        "-0",
        "00",
        "01",
        "-01",
        "1.",
        ".5",
        "1.5",
        "1e",
        "1e+",
        "1e5",
        "1E-5",
        "1e308",
        "1e309",
        "-1e309",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "0e999999999999",
        "1e-999999999999",
        "1e99999999999999999999",
        "\"\"",
        "\"a",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12G4\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\\u0041\"",
        "\"\\ud83dx\"",
        "\"\\ud83d\\n\"",
        "\"\t\"",
        "\"\u{7f}\"",
        "\"é\"",
        "\u{feff}{}",
        "[[]",
        "[]]",
        "{}{}",
        "[1]x",
        "\r\n\t {} \r\n",
        "\u{b}1",
        "[\"a\",\"b\"]",
        "{\"a\":{\"b\":[1,{}]}}",
        "{\"a\":[}]}",
        "/**/1",
    ] {
        agrees(text);
    }
    for zeros in [150, 198, 199, 200, 250, 306, 307, 308, 309, 400] {
        agrees(&format!("1{}", "0".repeat(zeros)));
        agrees(&format!("9{}e-{zeros}", "0".repeat(zeros)));
        agrees(&format!("0.{}1e{zeros}", "0".repeat(zeros)));
    }
}

#[test]
fn agrees_with_a_full_parser_on_depth() {
    for depth in [1, 126, 127, 128, 129, 1000] {
        agrees(&("[".repeat(depth) + &"]".repeat(depth)));
        agrees(&("{\"a\":".repeat(depth) + "1" + &"}".repeat(depth)));
        agrees(&("[{\"a\":".repeat(depth / 2) + "1" + &"}]".repeat(depth / 2)));
    }
}

#[test]
fn depth_counts_entered_levels_too() {
    let text = "[".repeat(127) + &"]".repeat(127);
    let mut walker = Walker::new(&text);
    assert_eq!(walker.enter_array(), Ok(true));
    assert!(walker.value().is_ok());
    let text = "[".repeat(128) + &"]".repeat(128);
    let mut walker = Walker::new(&text);
    assert_eq!(walker.enter_array(), Ok(true));
    assert_eq!(walker.value().map_err(|wrong| wrong.why), Err(TOO_DEEP));
}

#[test]
fn finds_the_first_special_byte_at_every_place() {
    for len in 0..140usize {
        for (hit, byte) in [
            (len / 2, b'"'),
            (len / 3, b'\\'),
            (len, 0x1f),
            (len.saturating_sub(1), 0),
        ] {
            let mut bytes = vec![0xffu8; len];
            if let Some(place) = bytes.get_mut(hit) {
                *place = byte;
            }
            let expected = if hit < len { hit } else { len };
            assert_eq!(special(&bytes, 0), expected, "{len} {hit}");
        }
    }
}

#[test]
fn says_where_and_what_was_expected() {
    let text = "{\n \"a\": 1,\n \"b\" 2}";
    let mut walker = Walker::new(text);
    let wrong = walker.value().unwrap_err();
    assert_eq!(
        wrong.describe(text.as_bytes()),
        "not valid JSON at line 3, column 6 (byte 16): expected `:` after a key"
    );
    assert_eq!(super::text(b"ab\xff").unwrap_err().offset, 2);
}

#[test]
fn writes_strings_that_read_back() {
    let every: String = (0u8..0x80).map(char::from).chain("é😀".chars()).collect();
    let mut out = Vec::new();
    write_string(&every, &mut out);
    assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), every);
    assert_eq!(
        unescaped_len(std::str::from_utf8(&out).unwrap()),
        every.len()
    );
    let raw = "\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\n\"";
    assert_eq!(unescaped_len(raw), unescape(raw).len());
}

#[test]
fn reads_whole_numbers_only() {
    assert_eq!(whole("12"), Some(12));
    assert_eq!(whole("12.0"), Some(12));
    assert_eq!(whole("1.2e1"), Some(12));
    assert_eq!(whole("12.5"), None);
    assert_eq!(whole("-1"), None);
    assert_eq!(whole("1e300"), None);
    assert_eq!(whole("18446744073709551615"), Some(u64::MAX));
}

#[test]
fn the_canonical_form_keeps_the_last_value_at_the_first_place() {
    let text = r#"{"a":1,"\u0062":{"x":1,"x":2},"a":3.10,"c":[{"y":1,"\u0079":2}]}"#;
    assert_eq!(
        canonical(text, Reach::Top).unwrap(),
        r#"{"a":3.10,"b":{"x":1,"x":2},"c":[{"y":1,"\u0079":2}]}"#
    );
    assert_eq!(
        canonical(text, Reach::Everywhere).unwrap(),
        r#"{"a":3.10,"b":{"x":2},"c":[{"y":2}]}"#
    );
}
