//! Between the sidecar and the broker.

use std::time::Duration;

use async_nats::jetstream::stream::DiscardPolicy;
use neighbours::proxy::Fault;

use crate::checker::check;
use crate::length;
use crate::world::{World, until};
use crate::writer::Writer;
use tests::chance::Chance;

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_fails_in_every_way_loses_and_repeats_nothing() {
    let mut chance = Chance::new("network");
    let mut world = World::start().await;
    let proxy = world.proxy().await;
    let sidecar = world.sidecar(&[]).await;
    let writer = Writer::start(&world.pod, length(Duration::from_micros(500), Duration::from_millis(2)));
    for _ in 0..length(15, 600) {
        let fault = match chance.below(8) {
            0 => Fault::Cut,
            1 => Fault::Stall,
            2 => Fault::Delay(Duration::from_millis(1 + chance.below(40))),
            3 => Fault::Throttle(20_000 + u32::try_from(chance.below(500_000)).unwrap()),
            4 => Fault::LoseAnswers,
            _ => Fault::None,
        };
        if fault == Fault::None {
            // In the middle of whatever frame that is.
            proxy.reset_after(1 + chance.below(200_000));
        }
        proxy.set(fault);
        tokio::time::sleep(Duration::from_millis(50 + chance.below(450))).await;
    }
    proxy.reset_after(0);
    proxy.set(Fault::None);
    let said = writer.stop();
    let found = check(&world, sidecar, &said).await;
    assert_eq!(found.copies, 0, "the broker knows copies for longer than this takes");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_lost_for_longer_than_the_broker_knows_copies_leave_one_row_of_each() {
    let mut world = World::start().await;
    world.configure(|config| config.duplicate_window = Duration::from_millis(500)).await;
    let proxy = world.proxy().await;
    let sidecar = world.sidecar(&[]).await;
    let writer = Writer::start(&world.pod, Duration::from_millis(2));
    world.until_stored(100).await;
    proxy.set(Fault::LoseAnswers);
    tokio::time::sleep(length(Duration::from_secs(1), Duration::from_secs(60))).await;
    // Until the sidecar waits no longer and sends again.
    until("messages that are given up", || world.metric("refused_publishes_total") > 0).await;
    proxy.set(Fault::None);
    let said = writer.stop();
    let found = check(&world, sidecar, &said).await;
    assert!(proxy.lost_answers() > 0);
    assert!(found.copies > 0, "the broker knew every copy: nothing was tested");
    assert_eq!(found.late, 0, "the first copies came in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_refuses_some_makes_late_what_it_refused_and_nothing_else() {
    let mut chance = Chance::new("refusals");
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let writer = Writer::start(&world.pod, Duration::from_millis(1));
    for _ in 0..length(3, 60) {
        // Of the file's two kinds of lines the frequent one is refused. More than it is now: what is stored stays.
        let most = i64::try_from(writer.count() * 9 / 10 + 1_000 + chance.below(500)).unwrap();
        world
            .configure(|config| {
                (config.discard, config.discard_new_per_subject) = (DiscardPolicy::New, true);
                config.max_messages_per_subject = most;
            })
            .await;
        let refused = world.metric("refused_publishes_total");
        until("refusals", || world.metric("refused_publishes_total") >= refused + 20).await;
        tokio::time::sleep(Duration::from_millis(100 + chance.below(900))).await;
        world.configure(|config| config.max_messages_per_subject = i64::MAX).await;
        tokio::time::sleep(Duration::from_millis(chance.below(500))).await;
    }
    let said = writer.stop();
    let found = check(&world, sidecar, &said).await;
    assert!(found.late > 0, "nothing was late: nothing was tested");
}
