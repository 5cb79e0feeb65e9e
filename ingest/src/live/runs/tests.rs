use std::time::Duration;

use message::RunKey;
use tokio::time::Instant;

use super::Pending;
use crate::cursor::Cursor;

fn key(uid: &str) -> RunKey {
    RunKey { namespace: "demo".to_owned(), uid: uid.to_owned(), name: String::new() }
}

fn at(sequence: i64) -> Cursor {
    Cursor { epoch: 1, sequence }
}

#[test]
fn a_change_is_told_once_and_only_when_the_table_holds_it() {
    let now = Instant::now();
    let mut pending = Pending::default();
    pending.note(key("a"), at(7), now);
    assert_eq!(pending.take(at(6), 10, now), vec![]);
    assert_eq!(pending.take(at(7), 10, now), vec![key("a")]);
    assert_eq!(pending.take(at(9), 10, now), vec![]);
}

#[test]
fn a_run_that_never_stops_talking_is_told_as_it_goes_and_at_its_end() {
    let now = Instant::now();
    let mut pending = Pending::default();
    for tick in 0..5 {
        // The table is always a few messages behind.
        for sequence in tick * 10..tick * 10 + 10 {
            pending.note(key("a"), at(sequence), now);
        }
        assert_eq!(pending.take(at(tick * 10 + 6), 10, now), vec![key("a")], "tick {tick}");
    }
    assert_eq!(pending.take(at(48), 10, now), vec![]);
    assert_eq!(pending.take(at(49), 10, now), vec![key("a")]);
    assert_eq!(pending.take(at(99), 10, now), vec![]);
}

#[test]
fn where_more_change_than_can_be_told_each_has_its_turn() {
    let now = Instant::now();
    let mut pending = Pending::default();
    let runs: Vec<_> = (0..100).map(|number| key(&format!("run-{number}"))).collect();
    let mut told = std::collections::HashSet::new();
    for tick in 0..10 {
        for (number, run) in (0..).zip(&runs) {
            pending.note(run.clone(), at(tick * 100 + number), now);
        }
        told.extend(pending.take(at(tick * 100 + 99), 10, now));
    }
    assert_eq!(told.len(), runs.len());
}

#[test]
fn silence_is_told_where_it_may_change_how_a_run_stands() {
    let now = Instant::now();
    let mut pending = Pending::default();
    pending.note(key("a"), at(5), now);
    assert_eq!(pending.take(at(5), 10, now).len(), 1);
    let after = |seconds| now + Duration::from_secs(seconds);
    assert_eq!(pending.take(at(5), 10, after(60)), vec![]);
    assert_eq!(pending.take(at(5), 10, after(62)), vec![key("a")]);
    assert_eq!(pending.take(at(5), 10, after(63)), vec![]);
    assert_eq!(pending.take(at(5), 10, after(602)), vec![key("a")]);
    assert_eq!(pending.take(at(5), 10, after(9_999)), vec![]);
}

#[test]
fn one_tick_takes_no_more_than_it_may() {
    let now = Instant::now();
    let mut pending = Pending::default();
    for uid in ["a", "b", "c"] {
        pending.note(key(uid), at(1), now);
    }
    assert_eq!(pending.take(at(1), 2, now).len(), 2);
    assert_eq!(pending.take(at(1), 2, now).len(), 1);
}

#[test]
fn what_was_passed_over_is_told_once_when_the_table_holds_it_and_what_was_read_is_not() {
    let mut pending = Pending::default();
    // The whole stream is read.
    pending.begin_after(at(0));
    assert_eq!(pending.take_passed(at(0)), None);
    pending.read_to(at(10));
    pending.begin_after(at(7));
    assert_eq!(pending.take_passed(at(10)), None);
    pending.begin_after(at(20));
    pending.begin_after(at(15));
    assert_eq!(pending.take_passed(at(19)), None);
    assert_eq!(pending.take_passed(at(20)), Some(at(20)));
    assert_eq!(pending.take_passed(at(21)), None);
    // What another life of the stream was passed over for is settled when the new one is.
    let next_life = Cursor { epoch: 2, sequence: 0 };
    pending.begin_after(next_life);
    assert_eq!(pending.take_passed(at(99)), None);
    assert_eq!(pending.take_passed(next_life), Some(next_life));
}

#[test]
fn a_run_that_was_passed_over_is_told_when_its_silence_may_change_how_it_stands() {
    let now = Instant::now();
    let mut pending = Pending::default();
    let after = |seconds| now + Duration::from_secs(seconds);
    pending.note(key("heard"), at(5), after(500));
    for uid in ["short", "long", "heard"] {
        let silence = if uid == "long" { 590 } else { 50 };
        pending.note_silent(key(uid), Duration::from_secs(silence), after(500));
    }
    assert_eq!(pending.take(at(5), 10, after(500)), vec![key("heard")]);
    assert_eq!(pending.take(at(5), 10, after(510)), vec![]);
    let mut told = pending.take(at(5), 10, after(512));
    told.sort_by(|one, other| one.uid.cmp(&other.uid));
    assert_eq!(told, vec![key("long"), key("short")]);
    assert_eq!(pending.take(at(5), 10, after(562)), vec![key("heard")]);
    assert_eq!(pending.take(at(5), 10, after(1_052)), vec![key("short")]);
    assert_eq!(pending.take(at(5), 10, after(1_102)), vec![key("heard")]);
    assert_eq!(pending.take(at(5), 10, after(9_999)), vec![]);
}
