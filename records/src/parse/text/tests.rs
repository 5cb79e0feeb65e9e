use super::*;

#[track_caller]
fn check(line: &str, expected: Option<&str>) {
    let draft = read(line, Origin::File);
    assert_eq!(draft.and_then(|draft| draft.content).as_deref(), expected, "of {line:?}");
}

#[test]
fn colours_titles_and_links_are_removed() {
    check("plain", Some("plain"));
    check("\u{1b}[31mred\u{1b}[0m \u{1b}[1;32mbold\u{1b}[0m", Some("red bold"));
    check("\u{1b}]0;title\u{7}text", Some("text"));
    check("\u{1b}]8;;https://example.org\u{1b}\\link\u{1b}]8;;\u{1b}\\", Some("link"));
    check("\u{1b}(Bcharset \u{1b}=keys \u{9b}4mC1", Some("charset keys C1"));
}

#[test]
fn a_broken_sequence_takes_no_text_with_it() {
    check("\u{1b}", None);
    check("\u{1b}[31", None);
    check("a\u{1b}é", Some("aé"));
    check("\u{1b}]no end", Some("no end"));
    check("\u{1b}[31\u{1b}[0mx", Some("x"));
}

#[test]
fn a_progress_bar_becomes_its_last_state() {
    check("\rprogress 10%\rprogress 50%\rprogress 100%", Some("progress 100%"));
    check("50%\r\u{1b}[K", Some("50%"));
    check("\r\r", None);
}

#[test]
fn a_record_of_several_lines_keeps_all_of_them() {
    check("one\r\n10%\r20%\r\nthree\r\n", Some("one\n20%\nthree"));
}

#[test]
fn a_line_of_nothing_but_escapes_says_nothing() {
    check("\u{1b}[0m \u{1b}[K", None);
    check("   ", None);
}

#[test]
fn text_is_a_message_from_the_socket_and_a_log_from_elsewhere() {
    let kind = |origin| read("x", origin).unwrap().kind.as_str().to_owned();
    assert_eq!(kind(Origin::File), "log");
    assert_eq!(kind(Origin::Socket { container: None }), "message");
    assert_eq!(kind(Origin::Output { container: None, stream: "stderr" }), "log");
}
