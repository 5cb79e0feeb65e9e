use clap::Parser as _;
use serde_json::{Value, json};

use super::{Changes, is_wanted};
use crate::args::{Args, Command};

fn run(state: &str, cursor: &str) -> Value {
    json!({ "workflow_namespace": "demo", "workflow_name": "Build", "workflow_uid": "u-1", "run_id": null, "state": state,
        "last_cursor": cursor, "preview": "all Tests pass", "agents": { "planner": 3 } })
}

#[test]
fn a_run_is_shown_again_when_it_says_something_or_stands_otherwise() {
    let mut changes = Changes::default();
    let shown = [("running", "1.1"), ("running", "1.1"), ("running", "1.2"), ("stalled", "1.2"), ("stalled", "1.2")];
    assert_eq!(shown.map(|(state, cursor)| changes.is_new(&run(state, cursor))), [true, false, true, true, false]);
}

#[test]
fn changes_are_chosen_as_the_list_is() {
    #[track_caller]
    fn check(words: &[&str], expected: bool) {
        let words = [&["agent-comms-ingest", "runs"], words].concat();
        let Command::Runs(args) = Args::try_parse_from(&words).unwrap().command else { panic!("no runs") };
        assert_eq!(is_wanted(&run("stalled", "1.1"), &args), expected, "{words:?}");
    }
    check(&[], true);
    check(&["--state", "active"], true);
    check(&["--state", "failed", "--state", "stalled"], true);
    check(&["--state", "running"], false);
    check(&["-n", "demo", "-q", "tests PASS"], true);
    check(&["-q", "PLANNER"], true);
    check(&["-q", "u-2"], false);
    check(&["-n", "other"], false);
}
