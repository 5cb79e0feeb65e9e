use super::Cursor;

#[track_caller]
fn check(text: &str, expected: Option<Cursor>) {
    assert_eq!(text.parse().ok(), expected, "{text}");
}

#[test]
fn a_cursor_is_two_numbers() {
    check("1.4711", Some(Cursor { epoch: 1, sequence: 4711 }));
    check("0.0", Some(Cursor { epoch: 0, sequence: 0 }));
    for wrong in ["", "1", "1.", ".1", "1.2.3", "-1.2", "1.-2", "+1.2", "1.+2", " 1.2", "1.9223372036854775808", "a.b"] {
        check(wrong, None);
    }
}

#[test]
fn an_epoch_weighs_more_than_any_sequence() {
    assert!(Cursor { epoch: 1, sequence: i64::MAX } < Cursor { epoch: 2, sequence: 0 });
}
