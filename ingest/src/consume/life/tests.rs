use std::sync::Arc;
use std::time::Duration;

use message::Timestamp;
use tokio::time::Instant;

use super::judge::{High, Judgement};
use super::{Life, QUARANTINE, Suspicion};
use crate::epochs::{Epoch, Epochs};

fn at(micros: i64) -> Timestamp {
    Timestamp::from_unix_micros(micros).unwrap()
}

fn seen(sequence: i64, moment: i64) -> High {
    High { sequence, at: Some(at(moment)) }
}

async fn is_admitted(life: &Life, handed: &[(u64, i64)]) -> bool {
    life.admit(handed.iter().map(|(sequence, moment)| (*sequence, at(*moment)))).await.is_ok()
}

/// One life, of which so much was seen by others.
fn with_seen(sequence: i64, moment: i64) -> Arc<Epochs> {
    let stream_created = Some(at(1));
    let epoch = Epoch { epoch: 1, stream_created, seen_sequence: sequence, seen_at: Some(at(moment)), ..Epoch::default() };
    Arc::new(Epochs(vec![epoch]))
}

#[tokio::test(start_paused = true)]
async fn nothing_is_stored_until_others_had_time_to_say_what_they_saw() {
    let life = Life::new(None);
    life.disturb();
    assert!(!is_admitted(&life, &[(901, 2_000)]).await);
    life.is_well(Instant::now());
    // Another replica saw the old 901 to 1000 before the stream lost them, and has written so meanwhile.
    tokio::time::advance(QUARANTINE / 2).await;
    life.is_well(Instant::now());
    assert!(!is_admitted(&life, &[(901, 2_000)]).await);
    tokio::time::advance(QUARANTINE).await;
    life.learn(&with_seen(1_000, 1_500));
    life.is_well(Instant::now());
    assert!(!is_admitted(&life, &[(901, 2_000)]).await, "what was handed out in quarantine is judged by all that was seen");
    assert_eq!(life.suspicion(), Some(Suspicion::Backwards { at: at(2_000) }));
    // What is certainly of the old life is stored meanwhile.
    assert!(is_admitted(&life, &[(899, 1_400), (1_000, 1_500)]).await);
    let mut epochs = (*with_seen(1_000, 1_500)).clone();
    epochs.0.push(Epoch { epoch: 2, starts_at: Some(at(2_000)), first_sequence: 901, ..Epoch::default() });
    life.learn(&Arc::new(epochs));
    assert_eq!(life.suspicion(), None);
    assert!(is_admitted(&life, &[(901, 2_000), (950, 1_450)]).await);
    assert_eq!(life.seen(), (2, seen(901, 2_000)));
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_another_creation_is_another_one_and_its_clock_may_be_behind() {
    let life = Life::new(None);
    life.learn(&with_seen(10, 1_000));
    assert_eq!(life.inspect(at(1), 10, seen(10, 1_000)), None);
    let created = at(2_000);
    assert_eq!(life.inspect(created, 3, seen(10, 1_000)), Some(Suspicion::Recreated { created }));
    assert!(is_admitted(&life, &[(9, 900)]).await);
    assert!(!is_admitted(&life, &[(11, 2_100)]).await);

    let behind = Life::new(None);
    behind.learn(&with_seen(10, 1_000));
    behind.inspect(at(500), 3, seen(10, 1_000));
    assert!(!is_admitted(&behind, &[(9, 900)]).await, "its messages cannot be told from the old ones by their times");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_shorter_than_it_was_is_suspected_when_it_stays_so() {
    let life = Life::new(None);
    life.learn(&with_seen(100, 1_000));
    assert_eq!(life.inspect(at(1), 90, seen(100, 1_000)), None);
    tokio::time::advance(Duration::from_millis(300)).await;
    assert_eq!(life.inspect(at(1), 100, seen(100, 1_000)), None, "a server that lagged has answered");
    assert_eq!(life.inspect(at(1), 90, seen(100, 1_000)), None);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(life.inspect(at(1), 90, seen(100, 1_000)), Some(Suspicion::Short));
}

#[tokio::test(start_paused = true)]
async fn what_was_shown_while_the_database_was_away_counts_when_it_is_back() {
    let life = Life::new(None);
    assert_eq!(life.handed(900, at(1_000)), (Judgement::Advance, 1));
    life.disturb();
    life.is_without_database();
    for (sequence, moment) in [(901, 1_001), (1_000, 1_100)] {
        assert_eq!(life.handed(sequence, at(moment)), (Judgement::Advance, 1));
    }
    assert_eq!(life.seen(), (1, seen(900, 1_000)), "nobody can be told yet");
    life.disturb();
    life.is_without_database();
    assert_eq!(life.handed(901, at(2_000)), (Judgement::Backwards, 1));
    for _ in 0..2 {
        life.is_well(Instant::now());
        tokio::time::advance(QUARANTINE).await;
    }
    assert!(!life.is_undecided());
    assert_eq!(life.seen(), (1, seen(1_000, 1_100)));
    assert_eq!(life.suspicion(), Some(Suspicion::Backwards { at: at(2_000) }));
}

#[tokio::test(start_paused = true)]
async fn what_was_shown_of_another_life_unknowingly_is_suspected_when_others_are_heard() {
    let life = Life::new(None);
    life.learn(&with_seen(900, 1_000));
    life.disturb();
    life.is_without_database();
    assert_eq!(life.handed(901, at(2_000)), (Judgement::Advance, 1));
    life.is_well(Instant::now());
    life.learn(&with_seen(1_000, 1_100));
    tokio::time::advance(QUARANTINE).await;
    life.is_well(Instant::now());
    assert_eq!(life.suspicion(), Some(Suspicion::Backwards { at: at(2_000) }));
    assert_eq!(life.seen(), (1, seen(1_000, 1_100)));
}

#[tokio::test(start_paused = true)]
async fn without_the_database_live_goes_on_after_the_quarantine_unless_a_break_was_seen() {
    let life = Life::new(None);
    assert_eq!(life.handed(10, at(1_000)), (Judgement::Advance, 1));
    life.disturb();
    life.is_without_database();
    let begun = Instant::now();
    life.may_show().await;
    assert_eq!(begun.elapsed(), QUARANTINE);
    assert!(!is_admitted(&life, &[(10, 1_000)]).await, "storing waits on");
    assert_eq!(life.handed(9, at(1_001)), (Judgement::Backwards, 1));
    assert!(tokio::time::timeout(Duration::from_secs(600), life.may_show()).await.is_err());
}

/// The database goes away unnoticed, or the connection breaks, between the question whether something may be shown and the
/// showing.
#[tokio::test(start_paused = true)]
async fn what_is_shown_counts_although_a_quarantine_began_just_before() {
    let life = Life::new(None);
    assert_eq!(life.shown(900, at(1_000)), (Judgement::Advance, 1));
    life.disturb();
    assert_eq!(life.shown(1_000, at(1_100)), (Judgement::Advance, 1));
    life.disturb();
    assert_eq!(life.shown(901, at(2_000)), (Judgement::Backwards, 1));
    assert_eq!(life.suspicion(), Some(Suspicion::Backwards { at: at(2_000) }));
}
