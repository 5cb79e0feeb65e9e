use serde_json::json;

use super::*;

#[track_caller]
fn check(pod: &serde_json::Value, expected: &[&str]) {
    let notes: Vec<String> = read(Pod(pod)).1.iter().map(ToString::to_string).collect();
    assert_eq!(notes, expected);
}

fn annotated(name: &str, value: &str) -> serde_json::Value {
    json!({ "metadata": { "annotations": { format!("{ANNOTATION_PREFIX}{name}"): value } } })
}

#[test]
fn globs_are_few_whatever_the_braces_say() {
    let many = |group: &str, times: usize| annotated("files", &format!("/{}", group.repeat(times)));
    let (overrides, notes) = read(Pod(&many("{a,b}", 6)));
    assert_eq!((overrides.files.len(), notes.len()), (64, 0));
    assert_eq!(overrides.files[1].glob, "/aaaaab");
    check(&many("{a,b}", 7), &["bad_override: agent-comms.dev/files: stands for more than 64 globs"]);
    check(&many("{a,b}", 800), &["bad_override: agent-comms.dev/files: stands for more than 64 globs"]);
    check(&many("{a}", 1365), &[]);
    check(&many("{a}", 80_000), &["bad_override: agent-comms.dev/files: has 240001 bytes; at most 4096 are read"]);
    check(&annotated("files", &"/a,".repeat(65)), &["bad_override: agent-comms.dev/files: stands for more than 64 globs"]);
}

#[test]
fn a_sidecar_gets_no_less_memory_than_it_starts_with() {
    let told = "has a limit below 16Mi, with which no sidecar starts";
    for amount in ["64", "64m", "8Mi", "1k/15Mi"] {
        check(&annotated("memory", amount), &[&format!("bad_override: agent-comms.dev/memory: `{amount}` {told}")]);
    }
    check(&annotated("memory", "16Mi"), &[]);
    check(&annotated("cpu", "1m"), &[]);
}

#[test]
fn a_label_that_means_nothing_is_told() {
    let labelled = |value: &str| json!({ "metadata": { "labels": { "agent-comms.dev/inject": value } } });
    check(&labelled("enabled"), &[]);
    check(&labelled("disabled"), &[]);
    check(
        &labelled("false"),
        &["bad_override: agent-comms.dev/inject: the label says `false`; only `enabled` and `disabled` count"],
    );
}

#[test]
fn rules_and_patterns_that_cannot_be_used_are_told_and_left_out() {
    let told = |name: &str, value: &str| {
        let (overrides, notes) = read(Pod(&annotated(name, value)));
        (overrides.rules.is_some() || overrides.redact.is_some(), format!("{notes:?}"))
    };
    let (used, notes) = told("rules", "[lines]\nstart = '('\n");
    assert!(!used && notes.contains("line 2: the pattern `(` cannot be used"), "{notes}");
    assert!(told("rules", "[lines]\nstart = '^\\S'\n").0);
    let (used, notes) = told("redact", "(");
    assert!(!used && notes.contains("cannot be used"), "{notes}");
    assert!(told("redact", "TICKET-\\d+").0);
}

#[test]
fn reading_back_is_on_unless_the_annotation_says_off() {
    let read_off = |value: &str| read(Pod(&annotated("read", value)));
    assert!(!read(Pod(&json!({}))).0.read_off);
    assert!(!read_off("on").0.read_off);
    assert!(read_off("off").0.read_off);
    let (overrides, notes) = read_off("no");
    assert!(!overrides.read_off);
    assert_eq!(notes.len(), 1, "{notes:?}");
}
