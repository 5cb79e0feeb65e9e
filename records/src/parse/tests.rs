use super::*;

#[track_caller]
fn one(bytes: &[u8], origin: Origin<'_>) -> Draft {
    let line = Line { start: 0, end: bytes.len() as u64, bytes, cut: false, terminated: true };
    let read_at = Timestamp::from_unix_micros(0).unwrap();
    let (mut drafts, _) = parse(&mut Arc::default(), &Rules::default(), &line, read_at, origin);
    assert_eq!(drafts.len(), 1);
    drafts.remove(0)
}

/// What lines become that are read a second apart, shown as kind, role and texts.
pub(super) fn drafts(lines: &[&str]) -> Vec<Draft> {
    let (mut state, rules) = (Arc::default(), Rules::default());
    let mut start = 0;
    let mut all = Vec::new();
    for (line, second) in lines.iter().zip(0..) {
        let end = start + line.len() as u64 + 1;
        let line = Line { start, end, bytes: line.as_bytes(), cut: false, terminated: true };
        all.extend(parse(&mut state, &rules, &line, Timestamp::from_unix_micros(second * 1_000_000).unwrap(), Origin::File).0);
        start = end;
    }
    all.extend(finish(&mut state, &rules));
    all
}

/// Kinds and contents.
pub(super) fn said(drafts: &[Draft]) -> Vec<(&str, &str)> {
    drafts.iter().map(|draft| (draft.kind.as_str(), draft.content.as_deref().unwrap_or_default())).collect()
}

const SOCKET: Origin<'static> = Origin::Socket { container: None };

#[test]
fn a_step_chooses_what_it_says_and_not_who_it_is() {
    let draft = one(
        br#"{"id":"m1","agent_id":"a","role":"user","kind":"Plan","stage":"s","channel":"general","content":"c","workflow_uid":"x","seq":9,"n":1}"#,
        SOCKET,
    );
    assert_eq!((draft.kind.as_str(), draft.agent_id.as_deref(), draft.own_id.as_deref()), ("plan", Some("a"), Some("m1")));
    assert_eq!(Value::Object(draft.attrs), serde_json::json!({"n": 1, "message_id": "m1"}));
}

#[test]
fn only_the_sidecar_says_control_kinds() {
    for kind in ["source-end", "step-end", "Gap"] {
        let line = format!(r#"{{"kind":"{kind}","content":"c"}}"#);
        assert_eq!(one(line.as_bytes(), SOCKET).kind.as_str(), "status");
    }
}

#[test]
fn wrong_types_are_kept_and_told() {
    let draft = one(br#"{"content":"c","role":"boss","attrs":[1]}"#, SOCKET);
    assert_eq!(draft.content.as_deref(), Some("c"));
    assert_eq!(draft.attrs["role"], "boss");
    assert_eq!(draft.attrs["attrs"], serde_json::json!([1]));
    assert!(draft.attrs["parse_error"].as_str().unwrap().contains("role"));
}

#[test]
fn an_object_that_says_nothing_is_a_log_line() {
    let draft = one(br#" {"step":1,"loss":2.31} "#, SOCKET);
    assert_eq!((draft.kind.as_str(), draft.content.as_deref()), ("log", Some(r#"{"step":1,"loss":2.31}"#)));
    assert!(draft.attrs.is_empty());
}

#[test]
fn a_structured_log_in_a_file_is_a_log_and_a_message_is_a_message() {
    assert_eq!(one(br#"{"level":"info","message":"started"}"#, Origin::File).kind.as_str(), "log");
    assert_eq!(one(br#"{"content":"hello"}"#, Origin::File).kind.as_str(), "message");
    assert_eq!(one(br#"{"message":"hello"}"#, SOCKET).kind.as_str(), "message");
}

#[test]
fn what_only_looks_like_json_is_text_that_says_so() {
    let draft = one(br#"{"type":"item.comp"#, Origin::File);
    assert_eq!(draft.content.as_deref(), Some(r#"{"type":"item.comp"#));
    assert!(draft.attrs["parse_error"].as_str().unwrap().starts_with("no JSON"));
    assert!(one(b"{", Origin::File).attrs.is_empty());
    assert!(one(b"{name} is here", Origin::File).attrs.is_empty());
    assert!(one(b"[INFO] up", Origin::File).attrs.is_empty());
}

#[test]
fn nesting_that_a_reader_could_not_follow_is_text() {
    let line = format!("{{\"content\":\"c\",\"x\":{}{}}}", "[".repeat(110), "]".repeat(110));
    assert!(one(line.as_bytes(), SOCKET).attrs["parse_error"].as_str().unwrap().contains("nested"));
}

#[test]
fn invalid_bytes_are_replaced_and_told() {
    let draft = one(b"bad \xff\xfe end", Origin::File);
    assert_eq!((draft.content.as_deref(), &draft.attrs["invalid_utf8"]), (Some("bad \u{fffd}\u{fffd} end"), &Value::Bool(true)));
    let draft = one(b"{\"content\":\"bad \xff\"}", SOCKET);
    assert_eq!((draft.content.as_deref(), &draft.attrs["invalid_utf8"]), (Some("bad \u{fffd}"), &Value::Bool(true)));
}

#[test]
fn output_of_a_command_tells_its_stream() {
    assert_eq!(one(b"oops", Origin::Output { container: None, stream: "stderr" }).attrs["stream"], "stderr");
}

#[test]
fn a_private_key_over_several_lines_is_known_as_one() {
    let made = drafts(&[
        "-----BEGIN RSA PRIVATE KEY-----",
        "MIIEowIBAAKCAQEA0Z3VS5JJcds3",
        "another writer speaks",
        "  12 abc=",
        "-----END RSA PRIVATE KEY-----",
        "MIIEowIBAAKCAQEA0Z3VS5JJcds3",
    ]);
    let inside: Vec<u32> = made.iter().map(|draft| draft.private_key_lines).collect();
    assert_eq!(inside, [0, 1, 0, 1, 0, 0]);
}

#[test]
fn an_unknown_event_is_kept_whole() {
    let made = drafts(&[
        r#"{"type":"item.started","item":{"id":"i","type":"hologram","n":1}}"#,
        r#"{"type":"turn.paused","why":"w"}"#,
        r#"{"type":"something.else","n":2}"#,
    ]);
    assert_eq!(made[0].attrs["event"]["item"]["n"], 1);
    assert_eq!(made[1].attrs["event"]["why"], "w");
    assert_eq!(
        said(&made),
        [("log", "item.started hologram"), ("log", "turn.paused"), ("log", r#"{"type":"something.else","n":2}"#)]
    );
}
