use super::*;
use message::Kind;

#[track_caller]
fn refused(text: &str, line: usize, reason: &str) {
    let error = Rules::parse(text).unwrap_err();
    assert_eq!(error.line, line, "{error}");
    assert!(error.reason.contains(reason), "{error}");
}

#[track_caller]
fn read(rules: &str, content: &str) -> Draft {
    let mut draft = Draft::new(Kind::LOG, content);
    Rules::parse(rules).unwrap().read(&mut draft);
    draft
}

#[test]
fn a_mistake_is_told_with_its_line_and_reason() {
    refused("format = 5", 1, "invalid type");
    refused("\nformat = \"yaml\"", 2, "`yaml` is no format; use auto");
    refused("format = \"text\"\n\n[[rule]]\npatern = 'x'", 4, "unknown field `patern`");
    refused("[[rule]]\nkind = 'log'", 1, "missing field `pattern`");
    refused("[[rule]]\npattern = '(?P<content>.*'", 2, "unclosed group");
    refused("[[rule]]\npattern = 'x{1000}{1000}(?P<n>)'", 2, "cannot be used");
    refused("[[rule]]\npattern = 'x'", 1, "neither names a group");
    refused("[[rule]]\npattern = 'x'\nkind = 'gap'", 3, "`gap` is no kind");
    refused("[[rule]]\npattern = 'x'\nrole = 'boss'", 3, "`boss` is no role");
    refused("[[rule]]\npattern = '(?P<timestamp>x)'\ntimestamp_format = '%Q'", 3, "no format of a time");
    refused("[[rule]]\npattern = 'x'\nkind = 'log'\ntimestamp_format = '%Y'", 4, "needs a group `timestamp`");
    refused("\n[lines]\nwait_ms = 100", 2, "`lines` needs `start`");
    refused("[lines]\nstart = ['^a', '(']", 2, "unclosed group");
    refused("[lines]\nstart = 5", 2, "a pattern or a list of patterns");
    refused("[lines]\nstart = '^a'\nwait_ms = 0", 3, "use 10 to 60000");
    refused("[[redact]]\nname = 'a b'\npattern = 'x'", 2, "no name");
    refused("[[redact]]\nname = 'a'\npattern = '('", 3, "unclosed group");
    refused("format = \"text", 1, "");
    refused(&"[[rule]]\npattern = '(?P<n>x)'\n".repeat(65), 129, "at most 64");
    refused(&" ".repeat(RULES_LIMIT + 1), 1, "at most");
    let starting_with = |patterns: String| format!("[lines]\nstart = [{patterns}]\n");
    refused(&starting_with("'a',".repeat(129)), 1, "there are 129 patterns; at most 128");
    refused(&starting_with(r"'\w{45}',".repeat(100)), 2, "cannot be used");
    assert!(Rules::parse(&starting_with(r"'^\d{4}-\d\d-\d\d \S+ ',".repeat(100))).is_ok());
}

#[test]
fn groups_go_where_their_names_say() {
    let rules = r"[[rule]]
        pattern = '^(?P<timestamp>\S+) \[(?P<stage>\w+)\] (?P<agent_id>\w+)/(?P<role>\w+) (?P<kind>\w+) (?P<level>\w+): (?P<content>.*)'
        channel = 'general'";
    let draft = read(rules, "2026-01-02T03:04:05.5Z [build] planner/user Plan info: go on");
    assert_eq!((draft.kind.as_str(), draft.content.as_deref()), ("plan", Some("go on")));
    assert_eq!(
        (draft.agent_id.as_deref(), draft.stage.as_deref(), draft.channel.as_deref()),
        (Some("planner"), Some("build"), Some("general"))
    );
    assert_eq!(
        (draft.role, draft.timestamp.unwrap().to_string().as_str()),
        (Some(message::Role::User), "2026-01-02T03:04:05.500000Z")
    );
    assert_eq!(serde_json::Value::Object(draft.attrs), serde_json::json!({"level": "info"}));
}

#[test]
fn the_first_rule_that_matches_reads_and_no_text_is_lost() {
    let rules = "[[rule]]\npattern = 'ERROR'\nkind = 'error'\n[[rule]]\npattern = '^(?P<n>\\d+) (?P<content>.*)'\n";
    assert_eq!(read(rules, "1 ERROR x").kind.as_str(), "error");
    assert_eq!(read(rules, "1 ERROR x").content.as_deref(), Some("1 ERROR x"));
    assert_eq!(read(rules, "2 two\n  at a\n  at b").content.as_deref(), Some("two\n  at a\n  at b"));
    assert_eq!(read(rules, "3 ").content.as_deref(), Some("3 "), "a message needs a text");
    assert_eq!(read(rules, "none").content.as_deref(), Some("none"));
}

#[test]
fn what_has_not_its_type_is_kept_and_told() {
    let rules = "[[rule]]\npattern = '^(?P<timestamp>\\S+) (?P<role>\\S+) (?P<kind>\\S+)'\n";
    let draft = read(rules, "yesterday boss source-end");
    assert_eq!((&draft.attrs["timestamp"], &draft.attrs["role"]), (&"yesterday".into(), &"boss".into()));
    assert!(draft.attrs["parse_error"].as_str().unwrap().starts_with("`role` is none"));
    assert_eq!((draft.kind.as_str(), draft.timestamp), (Kind::STATUS, None));
}

#[test]
fn times_are_read_as_programs_write_them() {
    for (text, expected) in [
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05.000000Z"),
        ("2026-01-02 03:04:05,123", "2026-01-02T03:04:05.123000Z"),
        ("2026/01/02 03:04:05.5 UTC", "2026-01-02T03:04:05.500000Z"),
        ("2026-01-02 03:04:05 +0130", "2026-01-02T01:34:05.000000Z"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05.000000Z"),
        ("1700000000.25", "2023-11-14T22:13:20.250000Z"),
    ] {
        let draft = read("[[rule]]\npattern = '(?P<timestamp>.*)'", text);
        assert_eq!(draft.timestamp.map(|time| time.to_string()).as_deref(), Some(expected), "of {text}");
    }
    let rules = "[[rule]]\npattern = '\\[(?P<timestamp>[^]]*)\\]'\ntimestamp_format = '%d/%b/%Y:%H:%M:%S %z'";
    let draft = read(rules, r#"10.0.0.1 - - [23/Nov/2026:10:00:00 +0100] "GET / HTTP/1.1" 200 5"#);
    assert_eq!(draft.timestamp.unwrap().to_string(), "2026-11-23T09:00:00.000000Z");
}

#[test]
fn the_example_of_this_page_is_one_that_works() {
    let page = include_str!("../rules.rs");
    let lines = page.lines().skip_while(|line| *line != "//! ```toml").skip(1).take_while(|line| *line != "//! ```");
    let example = lines.map(|line| line.trim_start_matches("//!").trim_start()).collect::<Vec<_>>().join("\n");
    assert!(include_str!("../../../docs/parsing.md").contains(&example));
    let rules = Rules::parse(&example).unwrap();
    assert_eq!((rules.wait(), rules.redactions().len()), (Duration::from_secs(1), 1));
    assert!(rules.grouping.unwrap().continues("  at a"));
    assert_eq!(read(&example, "2026-01-02 03:04:05 ERROR boom").content.as_deref(), Some("boom"));
}
