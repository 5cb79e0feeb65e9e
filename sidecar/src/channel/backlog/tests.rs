use bytes::Bytes;

use super::*;

fn line(text: &str) -> Line {
    Line { id: None, namespace: "demo".into(), text: Bytes::copy_from_slice(text.as_bytes()) }
}

/// What is in it, in short.
fn drain(backlog: &Backlog) -> Vec<String> {
    let short = |heard| match heard {
        Heard::Line(line) => format!("{} bytes", line.text.len()),
        Heard::Dropped(count) => format!("{count} dropped"),
        Heard::Interrupted => "interrupted".to_owned(),
        Heard::Resumed => "resumed".to_owned(),
    };
    std::iter::from_fn(|| backlog.take()).map(short).collect()
}

#[test]
fn what_does_not_fit_is_counted_where_it_would_have_been() {
    let backlog = Backlog::default();
    for _ in 0..LINES + 5 {
        backlog.push(line("x"));
    }
    assert_eq!(backlog.take(), Some(Heard::Line(line("x"))));
    let rest = drain(&backlog);
    assert_eq!((rest.len(), rest.last().unwrap().as_str()), (LINES, "5 dropped"));
    backlog.push(line("again"));
    assert_eq!(drain(&backlog), ["5 bytes"]);
}

#[test]
fn bytes_are_bounded_but_for_a_single_line() {
    let backlog = Backlog::default();
    let (half, whole) = ("x".repeat(BYTES / 2 + 1), "x".repeat(BYTES + 1));
    backlog.push(line(&whole));
    backlog.push(line("y"));
    backlog.drop_unseen(2);
    assert_eq!(drain(&backlog), [format!("{} bytes", BYTES + 1), "3 dropped".to_owned()]);
    backlog.push(line(&half));
    backlog.push(line(&half));
    backlog.push(line("y"));
    assert_eq!(drain(&backlog), [format!("{} bytes", half.len()), "1 dropped".to_owned(), "1 bytes".to_owned()]);
}

#[test]
fn a_connection_that_comes_and_goes_takes_no_room() {
    let backlog = Backlog::default();
    backlog.push(line("x"));
    for _ in 0..10 {
        backlog.interrupt();
        backlog.resume();
    }
    assert_eq!(drain(&backlog), ["interrupted", "resumed", "1 bytes"]);
}
