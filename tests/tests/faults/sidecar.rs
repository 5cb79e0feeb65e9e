//! The sidecar itself.

use std::time::Duration;

use crate::checker::check;
use crate::length;
use crate::world::World;
use crate::writer::Writer;
use tests::chance::Chance;

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_killed_at_random_moments_loses_and_repeats_nothing() {
    let mut chance = Chance::new("kills");
    let mut world = World::start().await;
    let mut sidecar = world.sidecar(&[]).await;
    let writer = Writer::start(&world.pod, Duration::from_micros(400));
    for _ in 0..length(8, 100) {
        tokio::time::sleep(Duration::from_millis(chance.below(400))).await;
        sidecar.kill().unwrap();
        sidecar = world.sidecar(&[]).await;
    }
    let said = writer.stop();
    let found = check(&world, sidecar, &said).await;
    assert_eq!((found.copies, found.late), (0, 0));
}
