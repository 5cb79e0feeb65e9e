//! The live side against a real stream and a real table.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use ingest::consume::life::{Life, Suspicion};
use ingest::cursor::Cursor;
use ingest::epochs::{Epoch, Epochs};
use ingest::filter::Filter;
use ingest::live::{Event, Hub, Start};
use ingest::settled::Settled;
use tokio_util::sync::CancellationToken;

use crate::hub::{DEADLINE, OTHER, RUN, World, at, build, caught_up, event, is_silent, message, sequences, until};

#[tokio::test]
async fn a_message_is_seen_before_it_is_stored_and_reads_the_same_after() {
    let world = World::new("live_first").await;
    let mut viewer = world.hub.subscribe(build(), Start::Newest(10));
    assert_eq!(caught_up(&mut viewer).await, at(0));
    world.publish(OTHER, "not mine").await;
    let sequence = world.publish(RUN, "hello").await;
    let live = message(&mut viewer).await;
    assert_eq!(live.0, sequence);

    world.commit(sequence).await;
    let (replica, stop) = World::replica(&world.nats, &world.table, &world.settled).await;
    let mut late = replica.subscribe(build(), Start::Newest(10));
    assert_eq!(message(&mut late).await, live);
    assert_eq!(caught_up(&mut late).await, at(sequence));
    stop.cancel();
    assert_eq!(tokio::time::timeout(DEADLINE, late.next()).await.unwrap(), None);
}

#[tokio::test]
async fn a_viewer_goes_on_from_its_cursor_on_any_replica_without_gap_or_repeat() {
    let world = World::new("live_resume").await;
    for number in 0..2_000 {
        world.publish(if number % 3 == 0 { RUN } else { OTHER }, &number.to_string()).await;
    }
    world.commit(1_500).await;
    // This replica's ring starts above the cursor: first the table, then the ring, then what comes.
    let (replica, stop) = World::replica(&world.nats, &world.table, &world.settled).await;
    let mut viewer = replica.subscribe(build(), Start::After(at(100)));
    let expected: Vec<i64> =
        (0..2_000_i64).filter(|number| number % 3 == 0).map(|number| number + 1).filter(|seq| *seq > 100).collect();
    assert_eq!(sequences(&mut viewer, expected.len()).await, expected);
    // Told after all of them. The last message is another run's: its number is given out only when no copy below waits.
    let told = caught_up(&mut viewer).await;
    assert!(told == at(1_999) || told == at(2_000), "{told}");
    let sequence = world.publish(RUN, "later").await;
    assert_eq!(message(&mut viewer).await.0, sequence);
    stop.cancel();
}

#[tokio::test]
async fn a_copy_sent_again_waits_for_its_row_and_holds_up_only_whom_it_concerns() {
    let world = World::new("live_resent").await;
    let first = world.publish(RUN, "said once").await;
    let mut viewer = world.hub.subscribe(build(), Start::After(at(0)));
    let mut other = world.hub.subscribe(Filter { runs: vec!["u2".to_owned()], ..Filter::default() }, Start::After(at(0)));
    assert_eq!(message(&mut viewer).await.0, first);
    world.commit(first).await;

    let (replica, stop) = World::replica(&world.nats, &world.table, &world.settled).await;
    let mut elsewhere = replica.subscribe(build(), Start::After(at(first)));
    caught_up(&mut elsewhere).await;
    world.resend(RUN, "said once").await;
    let lost_before = world.resend(RUN, "never arrived before").await;
    let after = world.publish(RUN, "after").await;
    let unconcerned = world.publish(OTHER, "goes on").await;
    assert_eq!(message(&mut other).await.0, unconcerned);
    let waits = |event| match event {
        Event::Degraded => Some(true),
        Event::Message(_) => Some(false),
        _ => None,
    };
    assert!(until(&mut viewer, "word that it waits", waits).await);
    assert!(is_silent(&mut elsewhere).await);
    world.commit(unconcerned).await;
    assert_eq!(sequences(&mut viewer, 2).await, vec![lost_before, after]);
    assert_eq!(sequences(&mut elsewhere, 2).await, vec![lost_before, after]);
    stop.cancel();
}

/// A publisher that does not say so sends again what a viewer saw on another replica, long before this one's ring begins.
#[tokio::test]
async fn a_copy_that_is_not_marked_is_known_by_a_replica_that_began_after_its_original() {
    let world = World::new("live_unmarked").await;
    let first = world.publish(RUN, "said once").await;
    let mut viewer = world.hub.subscribe(build(), Start::After(at(0)));
    assert_eq!(message(&mut viewer).await.0, first);
    for number in 0..1_100 {
        world.publish(OTHER, &number.to_string()).await;
    }
    let last = first + 1_100;
    world.commit(last).await;
    let (replica, stop) = World::replica(&world.nats, &world.table, &world.settled).await;
    let mut elsewhere = replica.subscribe(build(), Start::After(at(last)));
    caught_up(&mut elsewhere).await;
    let copy = world.publish(RUN, "said once").await;
    let after = world.publish(RUN, "after").await;
    assert!(is_silent(&mut elsewhere).await);
    assert_eq!((copy, after), (last + 1, last + 2));
    world.commit(after).await;
    assert_eq!(message(&mut elsewhere).await.0, after);
    stop.cancel();
}

#[tokio::test]
async fn a_cursor_of_an_unknown_life_is_reset_to_the_newest_and_one_ahead_waits() {
    let world = World::new("live_reset").await;
    let first = world.publish(RUN, "one").await;
    world.commit(first).await;
    let mut lost = world.hub.subscribe(build(), Start::After(Cursor { epoch: 9, sequence: 4 }));
    let reset = |event| if let Event::Reset { reason, cursor } = event { Some((reason, cursor)) } else { None };
    assert_eq!(until(&mut lost, "reset", reset).await, ("unknown_epoch", at(first - 1)));
    assert_eq!(message(&mut lost).await.0, first);

    let mut ahead = world.hub.subscribe(build(), Start::After(at(first + 2)));
    for number in 2..=4 {
        world.publish(RUN, &number.to_string()).await;
    }
    assert_eq!(message(&mut ahead).await.0, first + 3);
}

#[tokio::test]
async fn the_newest_are_shown_across_a_loss_and_a_cursor_below_it_is_reset_once() {
    let world = World::new("live_lost").await;
    for number in 0..6 {
        world.publish(RUN, &number.to_string()).await;
    }
    world.commit(6).await;
    let lost = Epochs(vec![Epoch { epoch: 1, lost_to: 3, ..Epoch::default() }]);
    world.settled.send_replace(Settled { watermark: at(6), epochs: Arc::new(lost), quarantine: false });
    // It follows nothing: what it shows is from the table.
    let hub = Hub::new(world.table.pools(), world.settled.subscribe(), Arc::new(Life::new(None)), CancellationToken::new());
    let mut newest = hub.subscribe(build(), Start::Newest(5));
    assert_eq!(sequences(&mut newest, 5).await, vec![2, 3, 4, 5, 6]);
    let mut below = hub.subscribe(build(), Start::After(at(1)));
    assert_eq!(event(&mut below).await, Event::Reset { reason: "discarded", cursor: at(0) });
    assert_eq!(sequences(&mut below, 6).await, vec![1, 2, 3, 4, 5, 6]);
    let mut above = hub.subscribe(build(), Start::After(at(3)));
    assert_eq!(sequences(&mut above, 3).await, vec![4, 5, 6]);
}

#[tokio::test]
async fn a_message_that_cannot_be_read_holds_nobody_up() {
    let world = World::new("live_unreadable").await;
    let mut viewer = world.hub.subscribe(build(), Start::After(at(0)));
    world.admin.publish(RUN, "no json".into()).await.unwrap().await.unwrap();
    world.admin.publish(RUN, r#"{"content":"x","workflow_uid":"someone else's"}"#.into()).await.unwrap().await.unwrap();
    let sequence = world.publish(RUN, "fine").await;
    assert_eq!(message(&mut viewer).await.0, sequence);
}

/// What the server sent of the stream to live views, and what waits for them.
async fn delivered(world: &World) -> (u64, u64) {
    let stream = world.admin.get_stream("agent-comms").await.unwrap();
    let consumers: Vec<_> = futures_util::TryStreamExt::try_collect(stream.consumers()).await.unwrap();
    // The newest of them is the one that is read.
    let newest = consumers.into_iter().max_by_key(|consumer| consumer.created).unwrap();
    (newest.delivered.consumer_sequence, newest.num_pending)
}

#[tokio::test]
async fn little_of_what_waits_in_the_stream_is_in_memory() {
    let world = World::new("live_backlog").await;
    let life = Arc::new(Life::new(None));
    // The other live view ends: this one is the newest.
    world.stop.cancel();
    let hub = Hub::new(world.table.pools(), world.settled.subscribe(), life.clone(), CancellationToken::new());
    let (running, jetstream) = (hub.clone(), jetstream::new(world.nats.ingest().connect().await.unwrap()));
    tokio::spawn(async move { running.run(jetstream).await });
    let mut viewer = hub.subscribe(build(), Start::After(at(0)));
    let first = world.publish(RUN, "small").await;
    assert_eq!(sequences(&mut viewer, 1).await, vec![first]);
    // It takes nothing while the stream may have ended.
    life.suspect(Suspicion::Short);
    let text = "x".repeat(700 << 10);
    for number in 0..60 {
        world.publish(RUN, &format!("{number} {text}")).await;
    }
    let until = tokio::time::Instant::now() + Duration::from_secs(1);
    while tokio::time::Instant::now() < until {
        let (delivered, pending) = delivered(&world).await;
        assert!(delivered + pending >= 60 && delivered <= 30, "{delivered} delivered, {pending} wait");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    life.acquit();
    assert_eq!(sequences(&mut viewer, 60).await, (first + 1..=first + 60).collect::<Vec<_>>());
}

/// The database is away for so long that what is not stored no longer fits into memory.
#[tokio::test]
async fn what_left_the_ring_before_it_was_stored_is_read_from_the_stream() {
    let world = World::new("live_fill").await;
    let text = "x".repeat(200 << 10);
    let mut watching = world.hub.subscribe(build(), Start::After(at(0)));
    let mut last = 0;
    for number in 0..250 {
        last = world.publish(if number % 2 == 0 { RUN } else { OTHER }, &format!("{number} {text}")).await;
    }
    let expected: Vec<i64> = (1..=last).filter(|sequence| sequence % 2 == 1).collect();
    assert_eq!(sequences(&mut watching, expected.len()).await, expected);
    // The ring holds the newest of them alone, and the table none.
    let mut late = world.hub.subscribe(build(), Start::After(at(0)));
    assert_eq!(sequences(&mut late, expected.len()).await, expected);
    caught_up(&mut late).await;
    let next = world.publish(RUN, "next").await;
    assert_eq!(message(&mut late).await.0, next);
}

#[tokio::test]
async fn viewers_see_everything_once_through_a_restart_of_the_server() {
    let mut world = World::new("live_restart").await;
    let mut viewer = world.hub.subscribe(build(), Start::After(at(0)));
    let first = world.publish(RUN, "before").await;
    assert_eq!(message(&mut viewer).await.0, first);
    world.nats.stop().await.unwrap();
    world.nats.start_again().await.unwrap();
    let ready = async {
        while world.admin.get_stream("agent-comms").await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, ready).await.expect("the server answers again");
    let second = world.publish(RUN, "after").await;
    assert_eq!(message(&mut viewer).await.0, second);
}

#[tokio::test]
async fn a_run_that_changed_is_told_once_the_table_holds_it() {
    let world = World::new("live_runs").await;
    let mut viewer = world.hub.subscribe(build(), Start::After(at(0)));
    let mut runs = world.hub.runs();
    world.publish(RUN, "one").await;
    let last = world.publish(RUN, "two").await;
    sequences(&mut viewer, 2).await;
    world.commit(last).await;
    let run = tokio::time::timeout(DEADLINE, runs.next()).await.expect("the change is told in time").unwrap();
    assert_eq!((run.uid.as_str(), run.messages, run.last), ("u1", 2, at(last)));
}
