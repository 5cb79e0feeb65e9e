use message::Timestamp;

use super::super::StepSummary;
use super::{RunState, of_run};
use crate::cursor::Cursor;

const MINUTE: i64 = 60 * 1_000_000;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_unix_micros(micros).unwrap()
}

fn open() -> StepSummary {
    StepSummary {
        step_id: "build".to_owned(),
        pod: "build-1".to_owned(),
        attempt: None,
        attempts: 1,
        messages: 1,
        first_at: at(0),
        last_at: at(0),
        last: Cursor { epoch: 1, sequence: 1 },
        ended: false,
        exit_code: None,
    }
}

fn ended(exit_code: Option<i32>) -> StepSummary {
    StepSummary { ended: true, exit_code, ..open() }
}

#[track_caller]
fn check(steps: &[StepSummary], outcome: Option<&str>, silence: i64, expected: RunState) {
    assert_eq!(of_run(steps, outcome, at(0), at(silence)), expected);
}

#[test]
fn a_run_is_over_when_every_step_ended_and_nothing_follows_for_a_minute() {
    check(&[ended(Some(0))], None, MINUTE - 1, RunState::Running);
    check(&[ended(Some(0))], None, MINUTE, RunState::Succeeded);
    check(&[ended(Some(0)), open()], None, MINUTE, RunState::Running);
    check(&[ended(Some(0)), ended(None)], None, MINUTE, RunState::Ended);
}

#[test]
fn an_open_run_that_is_silent_for_ten_minutes_is_stalled() {
    check(&[open()], None, 10 * MINUTE - 1, RunState::Running);
    check(&[open()], None, 10 * MINUTE, RunState::Stalled);
    check(&[], None, 10 * MINUTE, RunState::Stalled);
}

#[test]
fn a_failed_step_or_verdict_fails_the_run_at_once() {
    check(&[ended(Some(1)), open()], None, 0, RunState::Failed);
    check(&[open()], Some("Failed"), 0, RunState::Failed);
    check(&[ended(Some(1))], Some("succeeded"), 0, RunState::Failed);
}

#[test]
fn a_verdict_of_success_needs_no_waiting_and_an_unknown_word_is_none() {
    check(&[open()], Some("succeeded"), 0, RunState::Succeeded);
    check(&[open()], Some("merged upstream"), 0, RunState::Running);
}

#[test]
fn each_state_is_known_by_its_word() {
    for state in RunState::ALL {
        assert_eq!(RunState::new(state.as_str()), Some(state));
    }
}
