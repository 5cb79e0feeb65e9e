//! Lines of text that are one message.

use super::*;

const STARTS: &str = "[lines]\nstart = '^\\d'\nwait_ms = 500\n[[rule]]\npattern = '^(?P<n>\\d+) (?P<content>.*)'\n";

fn with_rules(state: RecorderState, rules: &str) -> Recorder {
    recorder(state).with_rules(Arc::new(Rules::parse(rules).unwrap()))
}

/// All messages with restarts after each line where asked for, and of another origin where given.
fn read(rules: &str, lines: &[(&[u8], Origin<'_>)], restart: bool) -> Vec<Message> {
    let mut recorder = with_rules(RecorderState::default(), rules);
    let mut messages = Vec::new();
    let mut start = 0;
    for (bytes, origin) in lines {
        if restart {
            let state = serde_json::to_string(&recorder.state()).unwrap();
            recorder = with_rules(serde_json::from_str(&state).unwrap(), rules);
        }
        let end = start + bytes.len() as u64 + 1;
        let line = Line { start, end, bytes, cut: false, terminated: true };
        messages.extend(recorder.record(&line, now(), *origin));
        start = end;
    }
    messages.extend(recorder.finish(start, now()));
    messages
}

fn file(rules: &str, text: &str) -> Vec<Message> {
    let lines: Vec<(&[u8], Origin<'_>)> = text.lines().map(|line| (line.as_bytes(), Origin::File)).collect();
    let made = read(rules, &lines, false);
    assert_eq!(made, read(rules, &lines, true), "with a restart at every line");
    made
}

fn said(messages: &[Message]) -> Vec<(u64, u64, u32, &str)> {
    let of = |message: &Message| message.source.as_ref().map(|source| (source.start, source.end, source.part)).unwrap();
    messages
        .iter()
        .map(|message| (of(message), message.content.as_deref().unwrap()))
        .map(|((a, b, c), text)| (a, b, c, text))
        .collect()
}

#[test]
fn a_stack_trace_is_one_message_with_the_range_of_all_its_lines() {
    let made = file(STARTS, "1 boom\n  at a\n\n  at b\n2 fine\n");
    assert_eq!(said(&made), [(0, 22, 0, "boom\n  at a\n\n  at b"), (22, 29, 0, "fine")]);
    assert_eq!(made[0].id, id::of_bytes(made[0].source.as_ref().unwrap(), b"1 boom\n  at a\n\n  at b"));
    assert_eq!((made[0].seq, made[1].seq, &made[0].attrs["n"]), (Some(1), Some(2), &"1".into()));
}

#[test]
fn lines_are_held_until_the_next_begins_and_no_longer_than_the_limit() {
    let mut recorder = with_rules(RecorderState::default(), STARTS);
    assert_eq!((recorder.held_since(), recorder.hold_limit()), (None, Duration::from_millis(500)));
    let line = Line { start: 0, end: 7, bytes: b"1 boom", cut: false, terminated: true };
    assert!(recorder.record(&line, now(), Origin::File).is_empty());
    assert_eq!(recorder.held_since(), Some(now()));
    let made = recorder.finish(7, now());
    assert_eq!(said(&made), [(0, 7, 0, "boom")]);
    assert_eq!(recorder.held_since(), None);
    let later = Line { start: 7, end: 12, bytes: b" more", cut: false, terminated: true };
    recorder.record(&later, now(), Origin::File);
    assert_eq!(said(&recorder.finish(12, now())), [(7, 12, 0, " more")], "what comes too late is a message of its own");
}

#[test]
fn further_lines_may_have_a_pattern_of_their_own() {
    let rules = "[lines]\ncontinue = ['^\\s', '^Caused by']\n";
    let made = file(rules, "boom\n  at a\nCaused by: x\n  at b\nnext\n\n\nlast\n");
    let texts: Vec<&str> = made.iter().map(|message| message.content.as_deref().unwrap()).collect();
    assert_eq!(texts, ["boom\n  at a\nCaused by: x\n  at b", "next", "last"]);
}

#[test]
fn an_event_or_a_broken_one_ends_the_lines_before_it() {
    let made = file(STARTS, "1 boom\n  at a\n{\"content\":\"hello\"}\n  late\n{\"type\":\"item.st\n");
    let texts: Vec<&str> = made.iter().map(|message| message.content.as_deref().unwrap()).collect();
    assert_eq!(texts, ["boom\n  at a", "hello", "  late", "{\"type\":\"item.st"]);
    assert!(made[3].attrs.contains_key("parse_error"));
}

#[test]
fn what_is_held_is_bounded_and_nothing_of_it_is_lost() {
    for (line, count) in [("x".repeat(1_000), 200), (String::from("y"), 2_500), ("z".repeat(70_000), 3)] {
        let text = format!("1 boom\n{}", format!("{line}\n").repeat(count));
        let made = file(STARTS, &text);
        assert!(made.len() > 1);
        let joined = made.iter().map(|message| message.content.as_deref().unwrap()).collect::<Vec<_>>().join("\n");
        assert_eq!(joined, text.trim_end().trim_start_matches("1 "));
        let ends: Vec<_> = said(&made).iter().map(|(start, end, ..)| (*start, *end)).collect();
        assert!(ends.windows(2).all(|pair| pair[0].1 == pair[1].0), "{ends:?}");
        assert_eq!(ends.last().unwrap().1, text.len() as u64);
    }
}

#[test]
fn streams_and_containers_are_held_apart_and_the_socket_is_not_held() {
    let out = Origin::Output { container: Some("a"), stream: "stdout" };
    let err = Origin::Output { container: Some("a"), stream: "stderr" };
    let lines: [(&[u8], Origin<'_>); 6] = [
        (b"1 out", out),
        (b"1 err", err),
        (b" more out", out),
        (b" more err", err),
        (b"  said", Origin::Socket { container: Some("a") }),
        (b"2 out", out),
    ];
    let made = read(STARTS, &lines, false);
    assert_eq!(made, read(STARTS, &lines, true));
    let texts: Vec<_> = made.iter().map(|message| (message.content.as_deref().unwrap(), message.attrs.get("stream"))).collect();
    let (out, err) = (Some("stdout".into()), Some("stderr".into()));
    assert_eq!(
        texts,
        [("  said", None), ("out\n more out", out.as_ref()), ("err\n more err", err.as_ref()), ("out", out.as_ref())]
    );
    assert!(made.iter().all(|message| message.container.as_deref() == Some("a")));
}

#[test]
fn a_group_hides_its_secrets_and_tells_its_odd_bytes() {
    let lines: [(&[u8], Origin<'_>); 5] = [
        (b"1 key", Origin::File),
        (b"-----BEGIN PRIVATE KEY-----", Origin::File),
        (b"MIIEowIBAAKCAQEA0Z3VS5JJcds3", Origin::File),
        (b"2 MIIEowIBAAKCAQEA0Z3VS5JJcds3", Origin::File),
        (b" \xff", Origin::File),
    ];
    let made = read(STARTS, &lines, false);
    assert_eq!(made, read(STARTS, &lines, true));
    assert_eq!(made[0].content.as_deref(), Some("key\n[redacted:private-key]"));
    assert_eq!(made[1].content.as_deref(), Some("[redacted:private-key]\n \u{fffd}"));
    assert_eq!(made[1].attrs["invalid_utf8"], true);
}
