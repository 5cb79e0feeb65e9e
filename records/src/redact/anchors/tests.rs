use proptest::prelude::*;

use super::*;
use crate::redact::patterns::DEFAULTS;

fn anchors() -> Anchors {
    Anchors::new(DEFAULTS.iter().map(|default| (default.anchors, default.plausible)))
}

#[test]
fn words_that_no_secret_follows_are_passed_over() {
    for text in
        ["password prompt, secret of success, token bucket", "http://a/b@c:d", "risk-averse task-force", "the bearer: none"]
    {
        assert_eq!(anchors().find(text.as_bytes()), 0, "{text}");
    }
    for text in ["password = x", "x-api-key: y", "redis://:p@h", "Bearer x", "\"token\":", "SECRET_ACCESS_KEY='"] {
        assert_ne!(anchors().find(text.as_bytes()), 0, "{text}");
    }
}

#[test]
fn short_texts_are_no_trouble() {
    for length in 0..70 {
        assert_eq!(anchors().find(".".repeat(length).as_bytes()), 0);
        assert_ne!(anchors().find(format!("{}eyJ", ".".repeat(length)).as_bytes()), 0);
    }
}

proptest! {
    #[test]
    fn the_one_pass_finds_what_a_search_for_each_word_finds(parts in prop::collection::vec(part(), 0..20)) {
        let text = parts.concat();
        let slow = |default: &crate::redact::patterns::Default| {
            default.anchors.iter().any(|anchor| anchor.is_in(&text, default.plausible))
        };
        let expected: u64 = DEFAULTS.iter().enumerate().filter(|(_, default)| slow(default)).map(|(number, _)| 1 << number).sum();
        prop_assert_eq!(anchors().find(text.as_bytes()), expected);
    }
}

fn part() -> impl Strategy<Value = String> {
    let words: Vec<&str> = DEFAULTS.iter().flat_map(|default| default.anchors).map(|anchor| anchor.text).collect();
    prop_oneof![prop::sample::select(words).prop_map(str::to_owned), "[ =:/@\\\\\"'A-Za-z_é-]{0,8}"]
}
