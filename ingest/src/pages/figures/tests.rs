use message::Timestamp;

use super::{ago, bytes, clock, count, duration, long_day, middle_cut, span};

#[test]
fn counts_keep_their_thousands_apart() {
    let cases = [(0, "0"), (999, "999"), (1_482, "1,482"), (1_000_000, "1,000,000"), (-1_234, "-1,234")];
    for (number, text) in cases {
        assert_eq!(count(number), text);
    }
}

#[test]
fn spans_have_two_units_at_most() {
    let cases = [(-1, "0 s"), (59, "59 s"), (192, "3 m 12 s"), (2_460, "41 m"), (4_320, "1 h 12 m"), (90_000, "1 d 01 h")];
    for (seconds, text) in cases {
        assert_eq!(span(seconds), text);
    }
    assert_eq!(duration(40.0), "0.04 s");
    assert_eq!(duration(12_400.0), "12.4 s");
    assert_eq!(duration(61_000.0), "1 m 01 s");
}

#[test]
fn sizes_are_short() {
    assert_eq!([bytes(12), bytes(2_048), bytes(1_572_864)], ["12 B", "2 KiB", "1.5 MiB"]);
}

#[test]
fn moments_are_in_utc() {
    let then = Timestamp::parse("2026-11-23T14:02:11.004999Z").unwrap();
    assert_eq!(clock(then), "14:02:11.004");
    assert_eq!(long_day(then), "Monday 23 November 2026");
    let later = |seconds: i64| Timestamp::from_unix_micros(then.unix_micros() + seconds * 1_000_000).unwrap();
    let words = [-5, 1, 9, 61, 7_200, 200_000].map(|seconds| ago(then, later(seconds)));
    assert_eq!(words, ["now", "now", "9 s ago", "1 m ago", "2 h ago", "23 Nov"]);
}

#[test]
fn cuts_never_break_a_character() {
    assert_eq!(middle_cut("a  b\n c", 10), "a b c");
    assert_eq!(middle_cut("abcdefghijklmnop", 10), "abcdef…nop");
}
