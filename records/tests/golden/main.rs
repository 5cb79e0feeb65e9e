//! What whole logs in `logs/`, as real agent programs wrote them, become, compared with snapshots that were read by eye. The times of arrival are the real ones.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use message::{Message, PodIdentity, RunIdentity, Timestamp};
use records::{Cutter, Origin, Recorder, RecorderState, Redactor, SourceIdentity};
use serde_json::Value;

/// Texts longer than this are shown by their beginning and their length.
const SHOWN: usize = 240;

fn recorder(state: RecorderState) -> Recorder {
    static REDACTOR: LazyLock<Arc<Redactor>> = LazyLock::new(Arc::default);
    let pod = PodIdentity {
        run: RunIdentity { namespace: "ns".into(), name: "run".into(), uid: "u".into() },
        run_id: None,
        step_id: None,
        pod: None,
        pod_uid: "p".into(),
        attempt: None,
        agent_id: None,
        stage: None,
        channel: None,
        runtime: None,
    };
    let source = SourceIdentity { label: "main:/log".into(), generation: 1, container: Some("main".into()) };
    Recorder::new(Arc::new(pod), source, Arc::clone(&REDACTOR), state)
}

fn read(name: &str) -> (Vec<u8>, Vec<Timestamp>) {
    let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs");
    let stem = name.split('.').next().unwrap();
    let times = std::fs::read_to_string(logs.join(format!("{stem}.times"))).unwrap();
    (std::fs::read(logs.join(name)).unwrap(), times.lines().map(|time| Timestamp::parse(time).unwrap()).collect())
}

/// The messages of a log that arrives in chunks of this size; with `restart`, from a stored state after every line.
fn messages(name: &str, chunk: usize, restart: bool) -> Vec<Message> {
    let (bytes, times) = read(name);
    let (mut cutter, mut recorder) = (Cutter::new(0), self::recorder(RecorderState::default()));
    let mut messages = Vec::new();
    let mut times = times.iter().copied().chain(std::iter::repeat(*times.last().unwrap()));
    let mut record = |line: &records::Line<'_>, messages: &mut Vec<Message>| {
        if restart {
            let stored = serde_json::to_string(&recorder.state()).unwrap();
            recorder = self::recorder(serde_json::from_str(&stored).unwrap());
        }
        messages.extend(recorder.record(line, times.next().unwrap(), Origin::File));
    };
    for chunk in bytes.chunks(chunk) {
        cutter.push(chunk);
        while let Some(line) = cutter.next_line() {
            record(&line, &mut messages);
        }
    }
    while let Some(line) = cutter.finish() {
        record(&line, &mut messages);
    }
    messages.extend(recorder.finish(cutter.position(), times.next().unwrap()));
    messages
}

fn shown(text: &str) -> String {
    let beginning: String = text.chars().take(SHOWN).collect();
    if beginning.len() == text.len() { text.to_owned() } else { format!("{beginning}... {} bytes", text.len()) }
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => *text = shown(text),
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(object) => object.values_mut().for_each(shorten),
        _ => {}
    }
}

fn render(messages: &[Message]) -> String {
    let mut rendered = String::new();
    for message in messages {
        let source = message.source.as_ref().unwrap();
        writeln!(
            rendered,
            "{} {} {} {} at {} from {}..{} part {}",
            message.seq.unwrap(),
            message.kind,
            message.role.as_str(),
            message.agent_id,
            message.timestamp,
            source.start,
            source.end,
            source.part
        )
        .unwrap();
        for line in message.content.iter().flat_map(|content| content.lines()) {
            writeln!(rendered, "    {}", shown(line)).unwrap();
        }
        let tool = message.tool.iter().flat_map(|tool| &tool.0).map(|(key, value)| ("tool", key, value));
        for (of, key, value) in tool.chain(message.attrs.iter().map(|(key, value)| ("attrs", key, value))) {
            let mut value = value.clone();
            shorten(&mut value);
            writeln!(rendered, "    {of}.{key} = {value}").unwrap();
        }
    }
    rendered
}

#[track_caller]
fn check(name: &str) {
    let whole = messages(name, usize::MAX, false);
    for chunk in [1, 7, 4096] {
        assert!(messages(name, chunk, false) == whole, "{name} in chunks of {chunk} bytes");
    }
    assert!(messages(name, 4096, true) == whole, "{name} with a restart at every line");
    insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(name, render(&whole));
    });
}

#[test]
fn a_full_turn_of_codex() {
    check("codex-main.jsonl");
}

#[test]
fn a_forbidden_command_of_codex() {
    check("codex-declined.jsonl");
}

#[test]
fn a_stream_that_codex_tried_again() {
    check("codex-retry.jsonl");
}

#[test]
fn turns_of_codex_that_failed() {
    for name in ["codex-fail-500", "codex-fail-401", "codex-fail-429", "codex-fail-midturn"] {
        check(&format!("{name}.jsonl"));
    }
}

#[test]
fn codex_stopped_in_the_middle() {
    for name in ["codex-sigint", "codex-sigterm", "codex-truncated"] {
        check(&format!("{name}.jsonl"));
    }
}

#[test]
fn codex_on_a_terminal() {
    check("codex-json-pty.jsonl");
    check("codex-plain-pty.txt");
}

#[test]
fn a_full_turn_of_gemini() {
    check("gemini-main.jsonl");
}

#[test]
fn gemini_in_trouble() {
    for name in ["gemini-retry", "gemini-fail-400", "gemini-fail-midturn", "gemini-sigterm"] {
        check(&format!("{name}.jsonl"));
    }
}

#[test]
fn one_json_document_over_many_lines_is_text() {
    check("gemini-json.stdout.json");
}
