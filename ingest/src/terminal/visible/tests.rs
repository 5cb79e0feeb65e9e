use proptest::prelude::*;
use serde_json::Value;

use super::{json, line, lines};

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(line(text), expected, "{text:?}");
}

#[test]
fn nothing_that_a_terminal_obeys_passes() {
    check("plain ä 漢字 👩‍👧 e\u{301}", "plain ä 漢字 👩‍👧 e\u{301}");
    check("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07");
    check("a\u{9b}31mb\u{7f}\0", "a\\x9b31mb\\x7f\\x00");
    check("100%\rdone", "100%\\rdone");
    check("a\tb", "a    b");
    check("user\u{202e}nimda\u{2066}", "user\\u{202e}nimda\\u{2066}");
    check("one\ntwo\r\nthree\r\n", "one two three");
    check("a\u{2028}b\u{e0041}", "a\\u{2028}b\\u{e0041}");
}

#[test]
fn lines_end_where_the_text_says_so() {
    assert_eq!(lines("a\r\n\n b\x08\n\n").collect::<Vec<_>>(), ["a", "", " b\\x08"]);
    assert_eq!(lines("").collect::<Vec<_>>(), [""]);
}

proptest! {
    #[test]
    fn whatever_is_said_one_line_without_controls_comes_out(text in "\\PC*|(.|[\x00-\u{9f}]|\n){0,60}") {
        let shown = line(&text);
        prop_assert!(!shown.chars().any(char::is_control), "{shown:?}");
    }

    #[test]
    fn json_stays_the_same_value(text in "(.|[\x00-\u{9f}\u{2020}-\u{2070}\u{e0000}-\u{e00ff}]|\n){0,60}") {
        let value = serde_json::json!({ "a": text, "b": [1, null] });
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let shown = json(&pretty);
        prop_assert!(!shown.chars().any(char::is_control), "{shown:?}");
        prop_assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
    }
}
