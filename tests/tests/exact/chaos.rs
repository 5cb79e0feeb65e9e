//! What goes wrong, at random moments and at the same time; afterwards everything runs.

use std::fmt;
use std::ops::{AddAssign, RangeInclusive};
use std::time::Duration;

use ingest::consume::{DURABLE, STREAM};
use neighbours::Postgres;
use neighbours::nats::Cluster;
use neighbours::proxy::{Fault, Proxy};
use tests::chance::Chance;
use tests::replica::Replica;
use tokio::time::{Instant, sleep, sleep_until};

use crate::People;
use crate::publishers::Orders;
use crate::viewers;
use crate::world::{PATIENCE, World, configure_durable, configure_stream, stream, until};

/// How much replicas hold at most of what the stream discards.
const HELD: i64 = 200;
/// How much is said meanwhile, at least: half of it is discarded, which is more than they hold.
const SAID: u64 = 1_000;

/// What was done.
#[derive(Debug, Default)]
pub struct Counts {
    replicas_killed: u32,
    replicas_stopped: u32,
    replicas_restarted: u32,
    postgres_restarted: u32,
    postgres_killed: u32,
    servers_killed: u32,
    leaders_moved: u32,
    networks_failed: u32,
    /// What the stream discarded while the database was away.
    pub discarded: Vec<RangeInclusive<u64>>,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.replicas_killed += other.replicas_killed;
        self.replicas_stopped += other.replicas_stopped;
        self.replicas_restarted += other.replicas_restarted;
        self.postgres_restarted += other.postgres_restarted;
        self.postgres_killed += other.postgres_killed;
        self.servers_killed += other.servers_killed;
        self.leaders_moved += other.leaders_moved;
        self.networks_failed += other.networks_failed;
        self.discarded.extend(other.discarded);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let discarded: u64 = self.discarded.iter().map(|range| range.end() + 1 - range.start()).sum();
        write!(
            formatter,
            "replicas killed {}, stopped {}, restarted {}; PostgreSQL killed {}, restarted {}; NATS servers killed {}, leaders \
             moved {}; networks failed {}; {discarded} messages discarded in {} phases",
            self.replicas_killed,
            self.replicas_stopped,
            self.replicas_restarted,
            self.postgres_killed,
            self.postgres_restarted,
            self.servers_killed,
            self.leaders_moved,
            self.networks_failed,
            self.discarded.len(),
        )
    }
}

/// Everything fails, for so long.
pub async fn storm(world: &mut World, chance: &mut Chance, length: Duration, counts: &mut Counts) {
    let end = Instant::now() + length;
    let World { cluster, postgres, replicas, publishers_network, replicas_network, .. } = world;
    let [first, second, third] = &mut replicas[..] else { unreachable!("there are three replicas") };
    let near = [Fault::LoseAnswers, Fault::Cut];
    let far = [Fault::Cut, Fault::Stall, Fault::Delay(Duration::from_millis(20))];
    let done = tokio::join!(
        fail_replica(first, chance.fork(), end),
        fail_replica(second, chance.fork(), end),
        fail_replica(third, chance.fork(), end),
        fail_postgres(postgres, chance.fork(), end),
        fail_servers(cluster, chance.fork(), end),
        fail_network(publishers_network, &near, chance.fork(), end),
        fail_network(replicas_network, &far, chance.fork(), end),
    );
    for done in [done.0, done.1, done.2, done.3, done.4, done.5, done.6] {
        *counts += done;
    }
}

/// Waits a while; false when the end comes before that.
async fn again(chance: &mut Chance, shortest: u64, longest: u64, end: Instant) -> bool {
    let moment = Instant::now() + millis(chance, shortest, longest);
    sleep_until(moment.min(end)).await;
    moment < end
}

fn millis(chance: &mut Chance, shortest: u64, longest: u64) -> Duration {
    Duration::from_millis(shortest + chance.below(longest - shortest))
}

async fn fail_replica(replica: &mut Replica, mut chance: Chance, end: Instant) -> Counts {
    let mut counts = Counts::default();
    while again(&mut chance, 3_000, 14_000, end).await {
        match chance.below(10) {
            0..=4 => {
                replica.process.kill().unwrap();
                sleep(millis(&mut chance, 0, 2_000)).await;
                replica.start_again().unwrap();
                counts.replicas_killed += 1;
            }
            5..=8 => {
                replica.process.pause().unwrap();
                sleep(millis(&mut chance, 1_000, 8_000)).await;
                replica.process.resume().unwrap();
                counts.replicas_stopped += 1;
            }
            _ => {
                replica.stop(PATIENCE).await.unwrap();
                replica.start_again().unwrap();
                counts.replicas_restarted += 1;
            }
        }
    }
    counts
}

async fn fail_postgres(postgres: &mut Postgres, mut chance: Chance, end: Instant) -> Counts {
    let mut counts = Counts::default();
    while again(&mut chance, 8_000, 20_000, end).await {
        if chance.below(2) == 0 {
            postgres.kill().unwrap();
            counts.postgres_killed += 1;
        } else {
            postgres.stop().await.unwrap();
            counts.postgres_restarted += 1;
        }
        sleep(millis(&mut chance, 0, 4_000)).await;
        postgres.start_again().await.unwrap();
    }
    counts
}

async fn fail_servers(cluster: &mut Cluster, mut chance: Chance, end: Instant) -> Counts {
    let mut counts = Counts::default();
    while again(&mut chance, 3_000, 10_000, end).await {
        let moved = match chance.below(5) {
            0 | 1 => {
                let index = chance.index(cluster.size());
                cluster.kill(index).unwrap();
                sleep(millis(&mut chance, 0, 4_000)).await;
                cluster.start_again(index).await.unwrap();
                cluster.until_current(STREAM, DURABLE).await.unwrap();
                counts.servers_killed += 1;
                continue;
            }
            2 | 3 => cluster.step_down_stream(STREAM).await,
            _ => cluster.step_down_consumer(STREAM, DURABLE).await,
        };
        // There may be none to step down just now.
        counts.leaders_moved += u32::from(moved.is_ok());
    }
    counts
}

async fn fail_network(network: &Proxy, faults: &[Fault], mut chance: Chance, end: Instant) -> Counts {
    let mut counts = Counts::default();
    while again(&mut chance, 4_000, 12_000, end).await {
        network.set(faults[chance.index(faults.len())]);
        sleep(millis(&mut chance, 300, 5_000)).await;
        network.set(Fault::None);
        counts.networks_failed += 1;
    }
    counts
}

/// What is said while the database is away fills the stream, so that it discards what nobody has stored. Of that replicas
/// hold a part: one of them is killed with it, one stopped, which goes on in time or too late. A viewer was away meanwhile:
/// it is told that something is missing.
pub async fn discard(world: &mut World, chance: &mut Chance, people: &People, counts: &mut Counts) {
    let People { witness, publishers, viewers } = people;
    publishers.order(Orders::Silence).await;
    let before = world.last_sequence().await;
    world.until_settled(before).await;
    viewers.order(viewers::Orders::OneAway);
    viewers.until_one_is_away().await;
    let resets = viewers.resets();
    configure_durable(&world.admin, |config| config.max_ack_pending = HELD).await;
    world.postgres.stop().await.unwrap();
    publishers.order(Orders::New).await;
    until("enough is said", async || world.last_sequence().await >= before + SAID).await;
    publishers.order(Orders::Silence).await;
    let last = world.last_sequence().await;
    witness.until_heard(last).await;
    let stopped = chance.index(3);
    let killed = (stopped + 1 + chance.index(2)) % 3;
    world.replicas[stopped].process.pause().unwrap();
    world.replicas[killed].process.kill().unwrap();
    // At least half, so more than replicas hold.
    let kept = 1 + chance.below((last - before) / 2);
    configure_stream(&world.admin, |config| config.max_messages = i64::try_from(kept).unwrap()).await;
    let first = last - kept + 1;
    until("the stream has discarded", async || stream(&world.admin).await.cached_info().state.first_sequence == first).await;
    configure_stream(&world.admin, |config| config.max_messages = -1).await;
    counts.discarded.push(before + 1..=first - 1);
    world.replicas[killed].start_again().unwrap();
    world.postgres.start_again().await.unwrap();
    configure_durable(&world.admin, |config| config.max_ack_pending = 5_000).await;
    publishers.order(Orders::Everything).await;
    if chance.below(2) == 0 {
        // In time for what it holds.
        sleep(millis(chance, 0, 3_000)).await;
        world.replicas[stopped].process.resume().unwrap();
        world.until_settled(last).await;
    } else {
        world.until_settled(last).await;
        world.replicas[stopped].process.resume().unwrap();
    }
    // Another replica may still hold what this one never had.
    viewers.order(viewers::Orders::OneAt(killed));
    until("the viewer who was away is told that something is missing", async || viewers.resets() > resets).await;
    viewers.order(viewers::Orders::Hop);
    counts.replicas_stopped += 1;
    counts.replicas_killed += 1;
}
