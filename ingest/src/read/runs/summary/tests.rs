use message::Timestamp;

use super::{Part, steps};
use crate::cursor::Cursor;

fn part(step: &str, pod: &str, sequence: i64, ended: bool, exit_code: Option<i32>) -> Part {
    Part {
        step_id: step.to_owned(),
        pod: pod.to_owned(),
        attempt: None,
        messages: 2,
        first_at: Timestamp::from_unix_micros(sequence).unwrap(),
        last_at: Timestamp::from_unix_micros(sequence).unwrap(),
        last: Cursor { epoch: 1, sequence },
        ended,
        exit_code,
    }
}

#[test]
fn the_pod_with_the_highest_cursor_is_the_last_attempt() {
    let found = steps(&[part("build", "a", 5, true, Some(1)), part("build", "b", 9, true, Some(0))]);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].pod.as_str(), found[0].exit_code, found[0].attempts, found[0].messages), ("b", Some(0), 2, 4));
}

#[test]
fn one_container_that_failed_fails_the_step() {
    let found = steps(&[part("build", "a", 5, true, Some(0)), part("build", "a", 6, true, Some(3))]);
    assert_eq!(found[0].exit_code, Some(3));
}

#[test]
fn an_unknown_exit_code_is_not_taken_for_success() {
    let found = steps(&[part("build", "a", 5, true, Some(0)), part("build", "a", 6, true, None)]);
    assert_eq!((found[0].ended, found[0].exit_code), (true, None));
}

#[test]
fn containers_that_never_tell_their_end_do_not_hold_a_step_open() {
    let found = steps(&[part("build", "a", 5, false, None), part("build", "a", 6, true, Some(0))]);
    assert_eq!((found[0].ended, found[0].exit_code), (true, Some(0)));
}

#[test]
fn messages_of_no_step_are_no_step() {
    assert_eq!(steps(&[part("", "", 5, false, None)]), vec![]);
}
