//! The clock on the wall.

use std::time::{Duration, SystemTime};

use neighbours::Clock;

use crate::checker::check;
use crate::length;
use crate::world::World;
use crate::writer::Writer;
use tests::chance::Chance;

const HOUR: i64 = 60 * 60;
const MONTH: i64 = 30 * 24 * HOUR;

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_loses_and_repeats_nothing() {
    let mut chance = Chance::new("clock");
    let mut world = World::start().await;
    let clock = Clock::new(world.pod.path("clock")).unwrap();
    world.pod.environment = clock.variables();
    let proxy = world.proxy().await;
    let mut sidecar = world.sidecar(&[]).await;
    let writer = Writer::start(&world.pod, Duration::from_millis(1));
    // A machine that starts without a clock: certificates are not valid yet, until it has the time from somewhere.
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let jumps = [HOUR, -HOUR, MONTH, -MONTH, HOUR - since_1970];
    for round in 0..length(2, 20) {
        for jump in jumps {
            tokio::time::sleep(Duration::from_millis(chance.below(200))).await;
            clock.set(jump).unwrap();
            match chance.below(3) {
                0 => proxy.reset_after(1 + chance.below(1_000)),
                1 if round > 0 => {
                    sidecar.kill().unwrap();
                    sidecar = world.sidecar(&[]).await;
                }
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    clock.set(0).unwrap();
    let said = writer.stop();
    world.until_stored(said.count()).await;
    let found = check(&world, sidecar, &said).await;
    assert_eq!((found.copies, found.late), (0, 0));
    // Records tell the time that the sidecar saw.
    let days = "SELECT extract(day FROM max(timestamp) - min(timestamp))::bigint FROM workflow_comms.agent_messages";
    assert!(world.number(days).await >= 59, "the clock of the sidecar did not jump");
}
