//! Exactly once, and without gap or repeat, whatever fails: three replicas of ingest as processes of their own, a cluster of
//! three NATS servers, and everything between them killed, stopped, cut off and moved at random, while publishers repeat and
//! contradict themselves and viewers hop from replica to replica. The stream itself, read from its first message on, says
//! what must be in the table and what each viewer must have been told.
//!
//! Each run prints its seed; `AGENT_COMMS_SEED` repeats it, as far as the machine's own chance allows. With
//! `AGENT_COMMS_SOAK` it takes half an hour.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test says what went wrong by failing there")]

mod chaos;
mod check;
mod fates;
mod publishers;
mod sse;
mod viewers;
mod witness;
mod world;

use std::time::{Duration, Instant};

use tests::chance::{Chance, tell};
use tests::length;

use publishers::{Orders, Publishers};
use viewers::Viewers;
use witness::Witness;
use world::World;

/// Who speaks and who listens.
struct People {
    witness: Witness,
    publishers: Publishers,
    viewers: Viewers,
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_the_table_and_every_viewer_have_each_message_once_and_in_order() {
    let mut chance = Chance::new("exact");
    let mut world = World::start().await;
    let people = People {
        witness: Witness::start(&world.admin),
        publishers: Publishers::start(&world, &mut chance),
        viewers: Viewers::start(&world.apis(), &mut chance),
    };
    let begin = Instant::now();
    let (storm, whole) =
        (length(Duration::from_secs(25), Duration::from_secs(100)), length(Duration::ZERO, Duration::from_secs(1_700)));
    let mut counts = chaos::Counts::default();
    loop {
        people.publishers.order(Orders::Everything).await;
        chaos::storm(&mut world, &mut chance, storm, &mut counts).await;
        chaos::discard(&mut world, &mut chance, &people, &mut counts).await;
        chaos::storm(&mut world, &mut chance, storm, &mut counts).await;
        if begin.elapsed() >= whole {
            break;
        }
    }
    let People { witness, publishers, viewers } = people;
    let said = publishers.stop().await;
    let calm = Instant::now();
    let last = world.last_sequence().await;
    world.until_settled(last).await;
    let settled = calm.elapsed();
    let heard = witness.stop(last).await;
    let told = viewers.finish(last).await;
    tell(&format!("exact: {counts}"));
    tell(&format!(
        "exact: settled {:.1} s after the last message, viewers {:.1} s",
        settled.as_secs_f64(),
        calm.elapsed().as_secs_f64()
    ));
    check::stream(&world, &heard, &said).await;
    let fates = check::table(&world, &heard, &counts).await;
    check::viewers(&heard, &fates, &told);
    world.stop().await;
}
