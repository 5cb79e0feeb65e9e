use std::time::{Duration, Instant};

use tempfile::TempDir;
use uuid::Uuid;

use super::{Restarts, Steps};
use crate::checkpoint::Checkpoint;
use crate::exec::batch::Ended;
use crate::files::pattern::Pattern;
use crate::ledger::Ledger;

fn session(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn ended(number: u128, exit_code: i32) -> Ended {
    Ended { session: session(number), exit_code, missed_bytes: 0, missed_records: 0 }
}

fn steps(containers: &[&str], restarts: Restarts) -> (Steps, Ledger) {
    (Steps::new(containers.iter().map(ToString::to_string), &[], restarts), Ledger::new(Checkpoint::default()))
}

#[track_caller]
fn check_over_soon(steps: &Steps) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !steps.are_over() {
        assert!(Instant::now() < deadline, "not over: {steps:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_step_is_over_when_its_last_container_ended() {
    let (mut steps, mut ledger) = steps(&["main", "side"], Restarts::Never);
    steps.look(&mut ledger);
    assert!(steps.over_at.is_none());
    steps.ended("main", &ended(1, 3), &mut ledger);
    assert!(steps.over_at.is_none());
    steps.ended("other", &ended(2, 0), &mut ledger);
    assert!(steps.over_at.is_none());
    steps.ended("side", &ended(3, 0), &mut ledger);
    check_over_soon(&steps);
    assert_eq!(ledger.step("main").unwrap().exit_code, Some(3));
}

#[test]
fn a_command_within_a_command_ends_nothing() {
    let (mut steps, mut ledger) = steps(&["main"], Restarts::Never);
    steps.started("main", session(1), &mut ledger);
    steps.started("main", session(2), &mut ledger);
    steps.ended("main", &ended(2, 1), &mut ledger);
    assert!(steps.over_at.is_none());
    steps.ended("main", &ended(1, 0), &mut ledger);
    check_over_soon(&steps);
    assert_eq!(ledger.step("main").unwrap().exit_code, Some(0));
}

#[test]
fn a_command_that_was_killed_hides_no_exit_code_of_the_next() {
    let (mut steps, mut ledger) = steps(&["main"], Restarts::OnFailure);
    steps.started("main", session(1), &mut ledger);
    steps.started("main", session(2), &mut ledger);
    steps.ended("main", &ended(2, 0), &mut ledger);
    assert!(steps.over_at.is_none());
    assert_eq!(ledger.step("main").unwrap().exit_code, Some(0));
}

#[test]
fn a_failure_is_final_only_where_nothing_is_started_again() {
    let (mut steps, mut ledger) = steps(&["main"], Restarts::OnFailure);
    steps.ended("main", &ended(1, 1), &mut ledger);
    assert!(steps.over_at.is_none());
    steps.started("main", session(2), &mut ledger);
    assert_eq!(ledger.step("main").unwrap().exit_code, None);
    steps.ended("main", &ended(2, 0), &mut ledger);
    check_over_soon(&steps);

    let (mut steps, mut ledger) = self::steps(&["main"], Restarts::Always);
    steps.ended("main", &ended(1, 0), &mut ledger);
    assert!(steps.over_at.is_none());
}

#[test]
fn an_exit_code_is_read_beside_the_output_once_it_is_written() {
    let directory = TempDir::new().unwrap();
    let output = directory.path().join("ctr/main/combined");
    std::fs::create_dir_all(output.parent().unwrap()).unwrap();
    let files = [
        Pattern::parse(&format!("main:{}", output.display())).unwrap(),
        Pattern::parse(&format!("main:{}/*.log", directory.path().display())).unwrap(),
    ];
    let mut steps = Steps::new(["main".to_owned()], &files, Restarts::Never);
    let mut ledger = Ledger::new(Checkpoint::default());
    let file = output.with_file_name("exitcode");
    for not_yet in [None, Some("")] {
        if let Some(text) = not_yet {
            std::fs::write(&file, text).unwrap();
        }
        steps.look(&mut ledger);
        assert!(steps.over_at.is_none());
    }
    std::fs::write(&file, "64").unwrap();
    steps.look(&mut ledger);
    check_over_soon(&steps);
    assert_eq!(ledger.step("main").unwrap().exit_code, Some(64));
}

#[test]
fn what_an_earlier_process_knew_of_the_pod_holds() {
    let (mut steps, mut ledger) = steps(&["main"], Restarts::Never);
    ledger.set_pod("pod-1");
    steps.ended("main", &ended(1, 7), &mut ledger);
    ledger.step_told("main");
    let mut ledger = Ledger::new(serde_json::from_value(serde_json::to_value(ledger.snapshot()).unwrap()).unwrap());
    ledger.set_pod("pod-1");
    let record = ledger.step("main").unwrap();
    assert_eq!((record.exit_code, record.told), (Some(7), true));
    let (mut steps, _) = self::steps(&["main"], Restarts::Never);
    steps.look(&mut ledger);
    check_over_soon(&steps);
    ledger.set_pod("pod-2");
    assert_eq!(ledger.step("main"), None, "another pod in the same directory");
}
