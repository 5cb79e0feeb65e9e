use super::*;

#[test]
fn colours_are_for_terminals_unless_they_are_asked_for() {
    assert!(has_color(Color::Always, false));
    assert!(!has_color(Color::Never, true));
    assert!(!has_color(Color::Auto, false));
}

#[test]
fn a_summary_counts_what_happened() {
    let redactions = [("jwt".to_owned(), 2)].into_iter().collect();
    let counts = Counts { lines: 3, messages: 1, parse_errors: 1, redactions, ..Counts::default() };
    assert_eq!(summary(&counts), "1 message of 3 lines; 1 parse error; secrets replaced: jwt 2");
}
