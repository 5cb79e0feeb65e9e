use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{Look, Table};

fn run(name: &str, uid: &str, state: &str, said: &str) -> Value {
    json!({
        "workflow_namespace": "demo", "workflow_name": name, "workflow_uid": uid, "run_id": null, "state": state,
        "last_at": "2026-11-26T21:40:00.123456Z", "messages": 1_234, "preview": said, "preview_agent": "planner",
        "steps": [{ "ended": true }, { "ended": false }],
    })
}

fn list() -> Vec<Value> {
    vec![
        run(
            "build",
            "0b1f6a52-0000-4000-8000-000000000001",
            "running",
            "three things to do: build, test and tell, in this order, one after the other, and then once more",
        ),
        run("漢字", "unknown", "failed", "rm \x1b[2J\nnext"),
        run("quiet", "u-3", "succeeded", ""),
    ]
}

#[test]
fn a_list_into_a_file() {
    let mut table = Table::new(Look { colours: false, zone: TimeZone::UTC });
    insta::assert_snapshot!(table.render(&list(), None));
}

#[test]
fn a_list_in_a_terminal_and_a_change() {
    let mut table = Table::new(Look { colours: true, zone: TimeZone::UTC });
    let mut shown = table.render(&list(), Some(132));
    shown.push_str(&table.render(&[run("build", "u-4", "stalled", "a change")], Some(132)));
    assert_eq!(table.render(&[], None), "");
    insta::assert_snapshot!(shown.replace('\x1b', "ESC"));
}
