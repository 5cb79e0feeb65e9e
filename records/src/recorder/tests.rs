use std::sync::LazyLock;

use message::{Kind, Received, RunIdentity, decode, wire};
use proptest::prelude::*;

use super::*;
use crate::Cutter;

mod groups;

fn pod() -> Arc<PodIdentity> {
    Arc::new(PodIdentity {
        run: RunIdentity { namespace: "ns".into(), name: "run".into(), uid: "u-1".into() },
        run_id: Some("outer".into()),
        step_id: Some("step".into()),
        pod: Some("pod-0".into()),
        pod_uid: "p-1".into(),
        attempt: Some(1),
        agent_id: None,
        stage: None,
        channel: None,
        runtime: Some("native".into()),
    })
}

/// Compiling the patterns is what takes time, and a test of restarts makes thousands of recorders.
static REDACTOR: LazyLock<Arc<Redactor>> = LazyLock::new(Arc::default);

fn recorder(state: RecorderState) -> Recorder {
    let source = SourceIdentity { label: "main:/a.log".into(), generation: 7, container: Some("main".into()) };
    Recorder::new(pod(), source, Arc::clone(&REDACTOR), state)
}

fn now() -> Timestamp {
    Timestamp::from_unix_micros(1_700_000_000_000_000).unwrap()
}

/// All messages of a stream that comes in chunks of one size.
fn messages(bytes: &[u8], chunk: usize) -> Vec<Message> {
    let (mut cutter, mut recorder) = (Cutter::new(0), recorder(RecorderState::default()));
    let mut messages = Vec::new();
    for chunk in bytes.chunks(chunk.max(1)) {
        cutter.push(chunk);
        while let Some(line) = cutter.next_line() {
            messages.extend(recorder.record(&line, now(), Origin::File));
        }
    }
    while let Some(line) = cutter.finish() {
        messages.extend(recorder.record(&line, now(), Origin::File));
    }
    messages.extend(recorder.finish(cutter.position(), now()));
    messages
}

/// All messages when after each line everything but the state is forgotten and read again.
fn messages_restarted(bytes: &[u8]) -> Vec<Message> {
    let (mut offset, mut state) = (0, String::new());
    let mut messages = Vec::new();
    loop {
        let stored = if state.is_empty() { RecorderState::default() } else { serde_json::from_str(&state).unwrap() };
        let mut recorder = recorder(stored);
        let mut cutter = Cutter::new(offset);
        cutter.push(&bytes[usize::try_from(offset).unwrap()..]);
        let line = cutter.next_line().map(|line| recorder.record(&line, now(), Origin::File));
        let line = line.or_else(|| cutter.finish().map(|line| recorder.record(&line, now(), Origin::File)));
        let Some(made) = line else {
            messages.extend(recorder.finish(cutter.position(), now()));
            return messages;
        };
        messages.extend(made);
        offset = cutter.position();
        state = serde_json::to_string(&recorder.state()).unwrap();
    }
}

fn round_trip(message: &Message) -> Message {
    let (subject, payload) = (wire::subject(message), wire::to_json(message));
    let received = Received { subject: &subject, payload: &payload, stored_at: now().moment(), sequence: 1 };
    decode(&received).unwrap().message
}

#[track_caller]
fn check_invariants(bytes: &[u8]) {
    let whole = messages(bytes, bytes.len());
    assert_eq!(messages(bytes, 1), whole, "byte by byte");
    assert_eq!(messages_restarted(bytes), whole, "with restarts");
    for (index, message) in whole.iter().enumerate() {
        assert_eq!(message.seq, Some(index as u64 + 1));
        assert_eq!(round_trip(message), *message);
        assert!(!message.kind.is_control());
    }
}

#[test]
fn a_step_that_gave_an_id_twice_said_one_thing() {
    let made = messages(b"{\"id\":\"x\",\"content\":\"c\"}\n{\"id\":\"x\",\"content\":\"c\"}\nc\nc\n", 10);
    assert_eq!(made[0].id, made[1].id);
    assert_eq!(made[0].id, id::of_step("p-1", "x"));
    assert_ne!(made[2].id, made[3].id);
    assert_eq!(made[2].id, id::of_bytes(made[2].source.as_ref().unwrap(), b"c"));
}

#[test]
fn a_tool_under_a_control_kind_is_a_status_as_its_reader_gets_it() {
    check_invariants(b"{\"tool\":\"a\",\"kind\":\"gap\"}\n");
}

#[test]
fn a_line_names_its_container_run_and_range() {
    let made = messages(b"\nhello\r\n", 10);
    assert_eq!(made.len(), 1);
    let source = made[0].source.as_ref().unwrap();
    assert_eq!((source.start, source.end, source.part, made[0].seq), (1, 8, 0, Some(1)));
    assert_eq!((made[0].agent_id.as_str(), made[0].container.as_deref()), ("main", Some("main")));
    assert_eq!((made[0].kind.as_str(), made[0].run.uid.as_str()), (Kind::LOG, "u-1"));
}

#[test]
fn a_secret_is_gone_before_the_split_could_hide_it() {
    let secret = "AKIAIOSFODNN7EXAMPLE ";
    let content = secret.repeat(60_000);
    let made = messages(format!("{{\"content\":\"{content}\"}}\n").as_bytes(), 1 << 16);
    assert!(made.len() > 1);
    assert!(made.iter().all(|message| !message.content.as_deref().unwrap().contains("AKIA")));
    assert_eq!(made.iter().map(|message| message.id).collect::<std::collections::HashSet<_>>().len(), made.len());
    assert!(made.iter().all(|message| wire::to_json(message).len() <= crate::split::MESSAGE_LIMIT));
}

#[test]
fn a_secret_at_the_cut_of_a_long_line_is_whole() {
    for before in [4, 20, 44] {
        let line =
            format!("{}, key ghp_abcdefghijklmnopqrstuvwxyz0123456789, end\n", "y".repeat(crate::cut::LINE_LIMIT - before));
        let made = messages(line.as_bytes(), line.len());
        assert!(
            made.iter().all(|message| message.content.as_deref().is_none_or(|content| !content.contains("ghp_"))),
            "{before}"
        );
        assert_eq!(
            made.iter().filter(|message| message.content.as_deref().unwrap().contains("[redacted:github-token]")).count(),
            1
        );
    }
}

#[test]
fn a_kind_that_no_table_can_hold_is_replaced_and_kept_among_the_attributes() {
    let line = format!("{{\"kind\":\"a\\u0000{}\",\"content\":\"c\"}}\n", "b".repeat(2_000));
    let made = messages(line.as_bytes(), line.len());
    assert!(made[0].kind.as_str().starts_with("a\u{fffd}bb") && made[0].kind.as_str().len() < 1_024);
    assert_eq!(made[0].attrs["kind"].as_str().map(str::len), Some(2_004));
}

#[test]
fn counts_tell_what_happened() {
    let mut recorder = recorder(RecorderState::default());
    let bytes: [&[u8]; 4] = [b"", b"\xff AKIAIOSFODNN7EXAMPLE", b"{\"a", b"ok"];
    for bytes in bytes {
        recorder.record(&Line { start: 0, end: 1, bytes, cut: false, terminated: true }, now(), Origin::File);
    }
    let counts = recorder.counts();
    assert_eq!((counts.lines, counts.blank, counts.messages), (4, 1, 3));
    assert_eq!((counts.parse_errors, counts.invalid_utf8, counts.redactions["aws-access-key-id"]), (1, 1, 1));
}

#[test]
fn a_state_of_another_version_is_refused() {
    let state = serde_json::to_value(recorder(RecorderState::default()).state()).unwrap();
    assert_eq!(state["version"], "1");
    assert!(serde_json::from_str::<RecorderState>(r#"{"version":"2","seq":1,"parser":{}}"#).is_err());
}

#[test]
fn odd_lines_keep_the_invariants() {
    for line in [
        r#"{"tool":5,"tool_call":{"name":"x"},"content":"c"}"#,
        r#"{"content":"c","tool":{"callId":"1","output":{"a":[1e400]}}}"#,
        r#"{"agent_id":"","stage":"","channel":"run","content":"c"}"#,
        r#"{"agent_id":"unknown","channel":"general","kind":"a.b*> c","content":"c"}"#,
        r#"{"data":{"text":"t"},"kind":"status"}"#,
        r#"{"kind":"status"}"#,
        r#"{"kind":"a\u0000b","content":"c"}"#,
        r#"{"kind":" ","content":"\u0000"}"#,
        r#"{"content":" ","timestamp":1700000000.123}"#,
        r#"{"content":{"a":1},"attrs":{"tool":{"name":"x"}},"exit_code":0}"#,
        r#"{"$serde_json::private::Number":"1"}"#,
        r#"{"content":"c","id":"a\u0000b","x\u0000y":1,"status":false}"#,
        r#"{"content":"c","timestamp":"9999-12-31T23:59:59.9999999+00:00"}"#,
    ] {
        check_invariants(line.as_bytes());
    }
}

/// Events of agent programs, plain and odd ones.
const EVENTS: &[&str] = &[
    r#"{"type":"thread.started","thread_id":"t","tool":{"name":"x"}}"#,
    r#"{"type":"item.started","item":{"id":"a","type":"command_execution","command":"ls"}}"#,
    r#"{"type":"item.completed","item":{"id":"a","type":"command_execution","command":"ls","exit_code":0}}"#,
    r#"{"type":"item.completed","item":{"id":"a","type":"agent_message","text":""}}"#,
    r#"{"type":"item.completed","item":5}"#,
    r#"{"type":"error","message":"m"}"#,
    r#"{"type":"message","role":"assistant","content":"piece ","timestamp":"2026-01-02T03:04:05Z","delta":true}"#,
    r#"{"type":"init","timestamp":"2026-01-02T03:04:05Z","session_id":"s"}"#,
    r#"{"type":"tool_use","timestamp":"2026-01-02T03:04:05Z","tool_name":"n","tool_id":"a","parameters":{}}"#,
    r#"{"type":"tool_result","timestamp":"x","tool_id":"a","status":"success"}"#,
    r#"{"type":"assistant","session_id":"s","message":{"content":[{"type":"text","text":"t"},{},5,{"type":"tool_use","id":"a"}]}}"#,
    r#"{"type":"result","subtype":"success","is_error":false}"#,
    r#"{"ts":1700000000,"event":{"type":"message","delta":"piece "}}"#,
    r#"{"ts":1700000000,"event":{"type":"","tool":{"a":1}}}"#,
    r#"{"ts":1700000000,"event":{"type":"tool","id":"a","status":"started","toolKind":""}}"#,
    "-----BEGIN PRIVATE KEY-----",
    "MIIEowIBAAKCAQEA0Z3VS5JJcds3",
];

/// Lines as steps write them, and worse.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let key = prop::sample::select(vec![
        "content",
        "text",
        "message",
        "data",
        "kind",
        "role",
        "tool",
        "tool_call",
        "attrs",
        "id",
        "agent_id",
        "channel",
        "stage",
        "timestamp",
        "seq",
        "source",
        "status",
        "exit_code",
        "workflow_name",
        "type",
        "item",
        "x",
    ]);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        "[a-z \\u{0}\\u{1b}é%.*>~]{0,12}".prop_map(Into::into),
        prop::sample::select(vec!["general", "run", "unknown", "gap", "status", "user", "tool", "2026-01-02T03:04:05Z"])
            .prop_map(Into::into),
    ];
    let value = leaf.prop_recursive(3, 12, 4, move |inner| {
        let object = prop::collection::vec((key.clone(), inner.clone()), 0..5);
        let object =
            object.prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<serde_json::Value>());
        prop_oneof![object.clone(), object, prop::collection::vec(inner, 0..3).prop_map(Into::into)]
    });
    prop_oneof![
        4 => prop::sample::select(EVENTS).prop_map(|line| line.as_bytes().to_vec()),
        4 => value.prop_map(|value| value.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => "[a-z {}\":\\r\\u{1b}\\[0m]{0,30}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn chunks_and_restarts_change_nothing_and_readers_get_what_was_made(lines in prop::collection::vec(any_line(), 0..6)) {
        check_invariants(&lines.join(&b'\n'));
    }
}
