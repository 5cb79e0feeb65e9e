use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, token: &str) {
    assert_eq!(escape(text, NAME_LIMIT), token);
    assert_eq!(unescape(token), text);
}

#[test]
fn every_byte_outside_the_alphabet_is_escaped() {
    check("fix-bug_2", "fix-bug_2");
    check("a.b", "a%2Eb");
    check("*", "%2A");
    check(">", "%3E");
    check("100%", "100%25");
    check("a b~c", "a%20b%7Ec");
    check("é", "%C3%A9");
    check("", "%");
}

#[test]
fn only_a_namespace_called_general_is_escaped_apart() {
    assert_eq!(escape_namespace("general"), "%67eneral");
    assert_eq!(unescape("%67eneral"), "general");
    assert_eq!(escape_namespace("General"), "General");
}

#[test]
fn a_percent_sign_without_two_digits_is_read_as_itself() {
    for token in ["50%", "%zz", "%4", "a%%41"] {
        let expected = if token == "a%%41" { "a%A" } else { token };
        assert_eq!(unescape(token), expected);
    }
}

#[test]
fn the_shortest_limit_leaves_the_digest_and_little_else() {
    assert_eq!(escape(&"a".repeat(30), 18).len(), 18);
    assert_eq!(escape(&".".repeat(30), 18).len(), 17);
    assert_eq!(escape(&".".repeat(30), 19).len(), 17);
}

#[test]
fn bytes_that_are_no_text_become_the_replacement_character() {
    assert_eq!(unescape("a%FFb"), "a\u{FFFD}b");
}

#[test]
fn a_long_token_ends_in_a_digest_and_never_inside_an_escape() {
    let plain = escape(&"a".repeat(200), AGENT_LIMIT);
    assert_eq!(plain.len(), AGENT_LIMIT);
    assert!(plain.starts_with(&"a".repeat(AGENT_LIMIT - 17)), "{plain}");
    assert_eq!(&plain[AGENT_LIMIT - 17..=AGENT_LIMIT - 17], "~");
    for shift in 0..3 {
        let token = escape(&format!("{}{}", "a".repeat(shift), ".".repeat(200)), AGENT_LIMIT);
        let (kept, digest) = token.split_once('~').unwrap();
        assert_eq!(kept[shift..].len() % 3, 0, "cut inside an escape: {token}");
        assert_eq!(digest.len(), 16);
    }
}

proptest! {
    #[test]
    fn what_fits_comes_back(text in "\\PC{0,80}") {
        prop_assume!(text.len() * 3 <= NAME_LIMIT);
        let token = escape(&text, NAME_LIMIT);
        prop_assert_eq!(unescape(&token), text);
    }

    #[test]
    fn a_token_holds_nothing_but_its_alphabet_and_is_bounded(text in any::<String>(), limit in 18_usize..300) {
        let token = escape(&text, limit);
        prop_assert!(!token.is_empty() && token.len() <= limit.max(1));
        prop_assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-%~".contains(&byte)), "{}", token);
    }

    #[test]
    fn two_long_texts_have_two_tokens(one in "[a-z.]{150,200}", other in "[a-z.]{150,200}") {
        prop_assume!(one != other);
        prop_assert_ne!(escape(&one, AGENT_LIMIT), escape(&other, AGENT_LIMIT));
    }

    #[test]
    fn any_token_can_be_read(token in any::<String>()) {
        let _text = unescape(&token);
    }
}
