//! What whole logs in `logs/`, as real agent programs wrote them, become, compared with snapshots that were read by eye. The
//! times of arrival are the real ones; what a program wrote to its standard error has none, and is read in one go.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use message::{Message, PodIdentity, RunIdentity, Timestamp};
use records::{Cutter, Origin, Recorder, RecorderState, Redactor, Rules, SourceIdentity};
use serde_json::Value;

/// Texts longer than this are shown by their beginning and their length.
const SHOWN: usize = 240;

/// Of a log of plain text with more messages than this, the first and last of them are shown, and a digest of the others; of
/// a message with more lines, the first ones and a digest.
const LINES_SHOWN: usize = 60;

fn recorder(rules: &Arc<Rules>, state: RecorderState) -> Recorder {
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
    Recorder::new(Arc::new(pod), source, Arc::clone(&REDACTOR), state).with_rules(Arc::clone(rules))
}

/// A log and the times at which its lines arrived.
struct Log {
    bytes: Vec<u8>,
    times: Vec<Timestamp>,
}

fn read(name: &str) -> Log {
    let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs");
    let stem = name.split('.').next().unwrap();
    let times = match std::fs::read_to_string(logs.join(format!("{stem}.times"))) {
        Ok(times) if !name.contains(".stderr.") => times.lines().map(|time| Timestamp::parse(time).unwrap()).collect(),
        _ => vec![Timestamp::parse("2026-11-23T15:00:00Z").unwrap()],
    };
    Log { bytes: std::fs::read(logs.join(name)).unwrap(), times }
}

/// Standard output and standard error of one run as a container's log has them: each traced error where its time puts it.
fn merged(name: &str) -> Log {
    let (output, errors) = (read(&format!("{name}.jsonl")), read(&format!("{name}.stderr.txt")));
    let mut log = Log { bytes: Vec::new(), times: Vec::new() };
    let mut errors = std::str::from_utf8(&errors.bytes).unwrap().lines().peekable();
    let mut last = output.times[0];
    for (line, time) in output.bytes.split_inclusive(|byte| *byte == b'\n').zip(&output.times) {
        while let Some(error) = errors.peek() {
            last = error.split(' ').next().and_then(Timestamp::parse).unwrap_or(last);
            if last > *time {
                break;
            }
            log.bytes.extend_from_slice(error.as_bytes());
            log.bytes.push(b'\n');
            log.times.push(last);
            errors.next();
        }
        log.bytes.extend_from_slice(line);
        log.times.push(*time);
    }
    log
}

/// The messages of a log that arrives in chunks of this size; with `restart`, from a stored state after every line.
fn messages(log: &Log, rules: &Arc<Rules>, chunk: usize, restart: bool) -> Vec<Message> {
    let Log { bytes, times } = log;
    let (mut cutter, mut recorder) = (Cutter::new(0), self::recorder(rules, RecorderState::default()));
    let mut messages = Vec::new();
    let mut times = times.iter().copied().chain(std::iter::repeat(*times.last().unwrap()));
    let mut record = |line: &records::Line<'_>, messages: &mut Vec<Message>| {
        if restart {
            let stored = serde_json::to_string(&recorder.state()).unwrap();
            recorder = self::recorder(rules, serde_json::from_str(&stored).unwrap());
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
        let content = message.content.as_deref().unwrap_or_default();
        let lines = content.lines().count();
        let show = if lines > LINES_SHOWN { LINES_SHOWN / 6 } else { lines };
        for line in content.lines().take(show) {
            writeln!(rendered, "    {}", shown(line)).unwrap();
        }
        if lines > show {
            writeln!(rendered, "    ... {} more lines, digest {}", lines - show, message::id::of_step("", content)).unwrap();
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

/// Log lines, a line each.
fn render_lines(messages: &[Message]) -> String {
    let line = |message: &Message| {
        let source = message.source.as_ref().unwrap();
        let attrs = if message.attrs.is_empty() { String::new() } else { format!(" {}", Value::Object(message.attrs.clone())) };
        let content = message.content.as_deref().unwrap().replace('\n', "\n        ");
        format!("{} {} {}..{}{attrs} | {}\n", message.seq.unwrap(), message.kind, source.start, source.end, shown(&content))
    };
    let lines: Vec<String> = messages.iter().map(line).collect();
    if lines.len() <= LINES_SHOWN {
        return lines.concat();
    }
    let (first, rest) = lines.split_at(LINES_SHOWN * 2 / 3);
    let (middle, last) = rest.split_at(rest.len() - LINES_SHOWN / 3);
    let digest = message::id::of_step("", &middle.concat());
    format!("{}... {} more, digest {digest}\n{}", first.concat(), middle.len(), last.concat())
}

/// All messages of a log, which are the same however it arrives and wherever its reader starts again.
#[track_caller]
fn any_way(name: &str, log: &Log, rules: &str) -> Vec<Message> {
    let rules = Arc::new(Rules::parse(rules).unwrap());
    let whole = messages(log, &rules, usize::MAX, false);
    for chunk in [1, 7, 4096] {
        assert!(messages(log, &rules, chunk, false) == whole, "{name} in chunks of {chunk} bytes");
    }
    assert!(messages(log, &rules, 4096, true) == whole, "{name} with a restart at every line");
    whole
}

#[track_caller]
fn compare(name: &str, rendered: &str) {
    insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(name, rendered);
    });
}

#[track_caller]
fn check(name: &str) {
    compare(name, &render(&any_way(name, &read(name), "")));
}

#[track_caller]
fn check_text(name: &str, snapshot: &str, rules: &str) {
    compare(snapshot, &render_lines(&any_way(name, &read(name), rules)));
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
    check_text("codex-plain-pty.txt", "codex-plain-pty.txt", "");
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
    check_text("gemini-json.stdout.json", "gemini-json.stdout.json", "");
}

#[test]
fn lines_of_hundreds_of_kilobytes() {
    check("codex-big.jsonl");
}

#[test]
fn plain_text_of_both_programs() {
    for name in ["codex-plain.stdout.txt", "codex-plain.stderr.txt", "gemini-text.stdout.txt"] {
        check_text(name, name, "");
    }
}

#[test]
fn standard_error_of_codex() {
    for run in
        ["big", "declined", "fail-401", "fail-429", "fail-500", "fail-midturn", "main", "retry", "sigint", "sigterm", "truncated"]
    {
        let name = format!("codex-{run}.stderr.txt");
        check_text(&name, &name, "");
    }
}

#[test]
fn standard_error_of_gemini() {
    for run in ["fail-400", "fail-midturn", "json", "main", "retry", "sigterm", "text"] {
        let name = format!("gemini-{run}.stderr.txt");
        check_text(&name, &name, "");
    }
}

/// Reads the traced errors of Codex.
const TRACED: &str = r#"
[[rule]]
pattern = '^(?P<timestamp>\S+Z)\s+(?P<level>ERROR|WARN|INFO) (?P<target>[\w:]+): (?P<content>.*)'
kind = "error"
"#;

#[test]
fn a_stack_trace_and_a_traced_error_are_one_message_by_rules() {
    let starts = "[lines]\nstart = '^(\\d{4}-|Error|Warning|YOLO|Ripgrep|\\(|Reading)'\n";
    for name in ["gemini-fail-400.stderr.txt", "gemini-fail-midturn.stderr.txt"] {
        check_text(name, &name.replace(".stderr", ".grouped"), starts);
    }
    let rules = format!("{starts}{TRACED}");
    check_text("codex-main.stderr.txt", "codex-main.grouped.txt", &rules);
}

#[test]
fn text_between_events_is_told_from_them() {
    let log = merged("codex-main");
    let whole = any_way("codex-main merged", &log, "");
    let (events, text): (Vec<_>, Vec<_>) = whole.into_iter().partition(|message| message.agent_id == "codex");
    compare("codex-main-merged.txt", &render_lines(&text));
    let alone = any_way("codex-main", &read("codex-main.jsonl"), "");
    let said = |messages: &[Message]| -> Vec<_> {
        messages.iter().map(|message| (message.kind.clone(), message.content.clone(), message.timestamp)).collect()
    };
    assert_eq!(said(&events), said(&alone), "the events are the same as without text between them");
}

#[test]
fn a_format_that_is_named_goes_before_what_a_line_looks_like() {
    let log = read("codex-retry.jsonl");
    let text = any_way("codex-retry", &log, "format = \"text\"");
    assert!(text.iter().all(|message| message.kind.as_str() == "log" && message.content.as_deref().unwrap().starts_with('{')));
    assert_eq!(any_way("codex-retry", &log, "format = \"codex\""), any_way("codex-retry", &log, ""));
    let other = any_way("codex-retry", &log, "format = \"claude\"");
    assert!(
        other.iter().all(|message| message.attrs.contains_key("event")),
        "events that the program does not know are kept whole"
    );
}
