use message::Received;
use time::OffsetDateTime;

use super::Filter;
use crate::stored::StoredMessage;

const RUN: &str = "workflow.demo.build.u1.agent.codex.log";
const UNKNOWN_UID: &str = "workflow.demo.build.unknown.agent.codex.log";
const GENERAL: &str = "workflow.general.log.demo.build.u1.agent.codex";
const SHORT: &str = "workflow.general.log";

fn message(subject: &str) -> StoredMessage {
    let payload = br#"{"content":"Hello World","run_id":"r1","workflow_uid":"u1"}"#;
    let payload: &[u8] = if subject == UNKNOWN_UID { br#"{"content":"x"}"# } else { payload };
    StoredMessage::decode(1, &Received { subject, payload, stored_at: OffsetDateTime::UNIX_EPOCH, sequence: 1 }).unwrap()
}

#[track_caller]
fn check(filter: &Filter, subject: &str, expected: bool) {
    assert_eq!(filter.matches(&message(subject)), expected, "{filter:?} on {subject}");
}

fn run(id: &str) -> Filter {
    Filter { runs: vec![id.to_owned()], ..Filter::default() }
}

#[test]
fn a_run_is_found_by_uid_or_run_id_and_by_name_only_without_a_uid() {
    check(&run("u1"), RUN, true);
    check(&run("r1"), RUN, true);
    check(&run("build"), RUN, false);
    check(&run("build"), UNKNOWN_UID, true);
    check(&run("unknown"), UNKNOWN_UID, false);
}

#[test]
fn the_channel_and_the_run_show_a_message_for_both_and_no_run_a_mere_claim() {
    let general = Filter { general: true, ..Filter::default() };
    check(&general, RUN, false);
    check(&general, GENERAL, true);
    check(&general, SHORT, true);
    check(&run("u1"), GENERAL, true);
    check(&run("u1"), SHORT, false);
}

#[test]
fn everything_else_narrows() {
    let narrow = |change: fn(&mut Filter)| {
        let mut filter = run("u1");
        change(&mut filter);
        filter
    };
    check(&narrow(|filter| filter.namespace = Some("demo".to_owned())), RUN, true);
    check(&narrow(|filter| filter.namespace = Some("other".to_owned())), RUN, false);
    check(&narrow(|filter| filter.kinds = vec!["error".to_owned(), "log".to_owned()]), RUN, true);
    check(&narrow(|filter| filter.kinds = vec!["error".to_owned()]), RUN, false);
    check(&narrow(|filter| filter.agents = vec!["claude".to_owned()]), RUN, false);
    check(&narrow(|filter| filter.roles = vec!["user".to_owned()]), RUN, false);
    check(&narrow(|filter| filter.text = Some("WORLD".to_owned())), RUN, true);
    check(&narrow(|filter| filter.text = Some("w_rld".to_owned())), RUN, false);
}
