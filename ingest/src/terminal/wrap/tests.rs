use proptest::prelude::*;

use super::{cut, pad, width, wrap};

#[test]
fn widths_are_columns() {
    for (text, columns) in [("abc", 3), ("漢字", 4), ("e\u{301}x", 2), ("👍", 2), ("", 0)] {
        assert_eq!(width(text), columns, "{text}");
    }
    let mut line = String::new();
    pad(&mut line, "漢", 4);
    assert_eq!(line, "漢  ");
}

#[test]
fn what_is_cut_ends_with_a_sign_and_fits() {
    assert_eq!(cut("short", 5), "short");
    assert_eq!(cut("a long text", 6), "a lon…");
    assert_eq!(cut("漢字漢字", 6), "漢字…");
    // What combines with a character stays with it.
    assert_eq!(cut("ae\u{301}bc", 3), "ae\u{301}…");
}

#[test]
fn lines_break_at_blanks() {
    assert_eq!(wrap("the quick brown fox jumps", 10), ["the quick", "brown fox", "jumps"]);
    assert_eq!(wrap("averyveryverylongword x", 10), ["averyveryv", "erylongwor", "d x"]);
    assert_eq!(wrap("漢字漢字漢字", 5), ["漢字", "漢字", "漢字"]);
    assert_eq!(wrap("漢字", 1), ["漢", "字"]);
}

proptest! {
    #[test]
    fn nothing_but_blanks_is_lost_and_everything_fits(text in "[a-c 漢e\u{301}👍☁\u{fe0f}]{0,60}", columns in 3_usize..20) {
        let pieces = wrap(&text, columns);
        for piece in &pieces {
            prop_assert!(width(piece) <= columns, "{piece:?}");
        }
        let without = |text: &str| text.replace(' ', "");
        prop_assert_eq!(without(&pieces.concat()), without(&text));
        prop_assert!(width(&cut(&text, columns)) <= columns);
    }
}
