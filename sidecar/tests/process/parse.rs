//! What `agent-comms parse` shows of a log.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const LOG: &str = "{\"type\":\"thread.started\",\"thread_id\":\"t\"}\n\
    {\"type\":\"item.started\",\"item\":{\"id\":\"item_0\",\"type\":\"command_execution\",\"command\":\"ls\",\"status\":\"in_progress\"}}\n\
    2026-01-02 03:04:05 ERROR boom\n  at \u{1b}[31ma\u{1b}[0m with ghp_abcdefghijklmnopqrstuvwxyz0123456789\n\
    {\"type\":\"item.completed\",\"item\":{\"id\":\"item_0\",\"type\":\"command_execution\",\"command\":\"ls\",\"aggregated_output\":\"a\\u0007\\n\",\"exit_code\":0,\"status\":\"completed\"}}\n";

const RULES: &str =
    "[lines]\ncontinue = '^\\s'\n[[rule]]\npattern = '^(?P<timestamp>\\S+ \\S+) ERROR (?P<content>.*)'\nkind = 'error'\n";

fn parse(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-comms"));
    command.arg("parse").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    // A process that refuses its arguments does not read.
    drop(process.stdin.take().unwrap().write_all(input.as_bytes()));
    process.wait_with_output().unwrap()
}

fn file(directory: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_log_is_shown_for_people_and_its_rules_are_tried() {
    let directory = tempfile::tempdir().unwrap();
    let (log, rules) = (file(&directory, "log", LOG), file(&directory, "rules.toml", RULES));
    let shown = parse(&["--format", rules.to_str().unwrap(), log.to_str().unwrap()], "");
    let (text, told) = (String::from_utf8(shown.stdout).unwrap(), String::from_utf8(shown.stderr).unwrap());
    assert!(shown.status.success(), "{told}");
    assert!(text.contains("03:04:05.000 error agent\n  boom\n    at a with [redacted:github-token]\n"), "{text}");
    assert!(text.contains("  tool: shell item_0@42\n") && text.contains("  output:\n    a\\u{7}\n"), "{text}");
    assert!(!text.contains(['\u{7}', '\u{1b}']), "nothing of a log commands the terminal");
    assert_eq!(told, "4 messages of 5 lines; secrets replaced: github-token 1\n");
    let painted = parse(&["--color", "always", log.to_str().unwrap()], "");
    assert!(String::from_utf8(painted.stdout).unwrap().contains("\u{1b}[36mtool_call\u{1b}[0m"));
}

#[test]
fn json_is_one_message_a_line_as_it_would_be_published() {
    let shown =
        parse(&["-o", "json", "--namespace", "demo", "--pod-uid", "p", "--agent-id", "a", "--container", "main", "-"], LOG);
    assert!(shown.status.success() && shown.stderr.is_empty());
    let text = String::from_utf8(shown.stdout).unwrap();
    let messages: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(messages.len(), 5);
    for (number, message) in (1..).zip(&messages) {
        assert_eq!((message["v"].as_u64(), message["seq"].as_u64()), (Some(1), Some(number)));
        assert_eq!((&message["workflow_namespace"], &message["agent_id"]), (&"demo".into(), &"a".into()));
        assert_eq!((&message["source"]["label"], &message["container"]), (&"main:-".into(), &"main".into()));
    }
    let again = parse(&["-o", "json", "--format", "text", "-"], LOG);
    let text = String::from_utf8(again.stdout).unwrap();
    assert!(text.lines().all(|line| line.contains("\"kind\":\"log\"")), "{text}");
}

#[test]
fn what_cannot_be_read_is_told_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let rules = file(&directory, "rules.toml", "format = 'auto'\n[[rule]]\npattern = '('\n");
    let cases: [(&[&str], i32, &str); 5] = [
        (&["/nowhere/log"], 1, "cannot read the log `/nowhere/log`: No such file"),
        (&[directory.path().to_str().unwrap()], 1, "Is a directory"),
        (&["--format", rules.to_str().unwrap(), "-"], 2, "line 3: the pattern `(` cannot be used: unclosed group"),
        (&["--format", "yaml", "-"], 2, "`yaml` is no format; use auto, text, codex, claude, gemini or runner, or a file"),
        (&["--redact", "(", "-"], 2, "pattern `user` cannot be used"),
    ];
    for (arguments, code, reason) in cases {
        let failed = parse(arguments, "");
        let told = String::from_utf8(failed.stderr).unwrap();
        assert_eq!((failed.status.code(), told.lines().count()), (Some(code), 1), "{told}");
        assert!(told.contains(reason), "{told}");
    }
}
