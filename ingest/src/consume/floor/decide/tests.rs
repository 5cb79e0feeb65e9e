//! A stream that discards, replicas that hold, commit and die, and watermarks that are decided from what the server told a
//! while ago: nothing is ever at or below the watermark without being committed or told as discarded, and what a replica
//! commits below it is known to be late.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Decision, Standing, Told, decide};

const REPLICAS: usize = 2;

#[derive(Debug, Clone)]
enum Op {
    Publish(i64),
    /// A replica is handed the next messages, or those of a replica that died.
    Deliver {
        replica: usize,
        count: usize,
    },
    /// It commits one that it holds, and its acknowledgement arrives or is lost.
    Commit {
        replica: usize,
        which: prop::sample::Index,
        acknowledged: bool,
    },
    Die(usize),
    /// The stream lets go of its oldest.
    Discard(i64),
    AskConsumer(usize),
    AskStream(usize),
    /// It decides from what it was told, however old that is.
    Tick(usize),
    /// Replicas had time enough to commit what they hold; one that is stopped did not.
    Compare {
        stopped: Option<usize>,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let replica = || 0..REPLICAS;
    prop_oneof![
        4 => (1..6_i64).prop_map(Op::Publish),
        4 => (replica(), 1..6_usize).prop_map(|(replica, count)| Op::Deliver { replica, count }),
        8 => (replica(), any::<prop::sample::Index>(), prop::bool::weighted(0.8))
            .prop_map(|(replica, which, acknowledged)| Op::Commit { replica, which, acknowledged }),
        1 => replica().prop_map(Op::Die),
        1 => (1..8_i64).prop_map(Op::Discard),
        4 => replica().prop_map(Op::AskConsumer),
        4 => replica().prop_map(Op::AskStream),
        6 => replica().prop_map(Op::Tick),
        1 => prop::option::of(replica()).prop_map(|stopped| Op::Compare { stopped }),
    ]
}

#[derive(Debug)]
struct World {
    last: i64,
    first: i64,
    delivered: i64,
    acknowledged: BTreeSet<i64>,
    again: BTreeSet<i64>,
    held: [BTreeSet<i64>; REPLICAS],
    floor_told: [i64; REPLICAS],
    first_told: [i64; REPLICAS],
    committed: BTreeSet<i64>,
    discarded: BTreeSet<i64>,
    watermark: i64,
    hold_to: Option<i64>,
}

impl World {
    fn new() -> Self {
        Self {
            last: 0,
            first: 1,
            delivered: 0,
            acknowledged: BTreeSet::new(),
            again: BTreeSet::new(),
            held: Default::default(),
            floor_told: [0; REPLICAS],
            first_told: [1; REPLICAS],
            committed: BTreeSet::new(),
            discarded: BTreeSet::new(),
            watermark: 0,
            hold_to: None,
        }
    }

    /// As the server reckons it.
    fn floor(&self) -> i64 {
        (1..=self.delivered.max(self.first - 1))
            .take_while(|sequence| *sequence < self.first || self.acknowledged.contains(sequence))
            .last()
            .unwrap_or(0)
    }

    fn commit(&mut self, sequence: i64) {
        // Below the watermark it is late: kept beside the rows, and never one of them.
        if sequence > self.watermark {
            self.committed.insert(sequence);
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Publish(count) => self.last += count,
            Op::Deliver { replica, count } => {
                for _ in 0..*count {
                    let again = self.again.pop_first();
                    let next = self.delivered.max(self.first - 1) + 1;
                    match again {
                        Some(sequence) if sequence >= self.first => drop(self.held[*replica].insert(sequence)),
                        None if next <= self.last => {
                            self.delivered = next;
                            self.held[*replica].insert(next);
                        }
                        Some(_) | None => {}
                    }
                }
            }
            Op::Commit { replica, which, acknowledged } => {
                let held: Vec<i64> = self.held[*replica].iter().copied().collect();
                if held.is_empty() {
                    return;
                }
                let sequence = *which.get(&held);
                self.held[*replica].remove(&sequence);
                self.commit(sequence);
                if *acknowledged {
                    self.acknowledged.insert(sequence);
                } else {
                    self.again.insert(sequence);
                }
            }
            Op::Die(replica) => {
                let held = std::mem::take(&mut self.held[*replica]);
                self.again.extend(held);
            }
            Op::Discard(count) => self.first = (self.first + count).min(self.last + 1),
            Op::AskConsumer(replica) => {
                self.floor_told[*replica] = self.floor();
                // The stream is asked after the consumer, never before.
                self.first_told[*replica] = self.first;
            }
            Op::AskStream(replica) => self.first_told[*replica] = self.first,
            Op::Tick(replica) => self.tick(*replica),
            Op::Compare { stopped } => self.compare(*stopped),
        }
        for sequence in 1..=self.watermark {
            let known = self.committed.contains(&sequence) || self.discarded.contains(&sequence);
            assert!(known, "{sequence} is below the watermark and nowhere: {self:?}");
        }
    }

    fn tick(&mut self, replica: usize) {
        let standing = Standing { watermark: self.watermark, hold_to: self.hold_to, last: i64::MAX, is_near_end: false };
        let told = Told { floor: self.floor_told[replica], first: self.first_told[replica] };
        match decide(standing, told) {
            Decision::Raise(to) => {
                assert!(to > self.watermark);
                self.watermark = to;
            }
            Decision::Hold(to) => self.hold_to = Some(to),
            Decision::Nothing | Decision::Compare(_) => {}
        }
    }

    fn compare(&mut self, stopped: Option<usize>) {
        let Some(hold_to) = self.hold_to.take() else { return };
        for replica in (0..REPLICAS).filter(|replica| Some(*replica) != stopped) {
            for sequence in std::mem::take(&mut self.held[replica]) {
                self.commit(sequence);
                self.acknowledged.insert(sequence);
            }
        }
        let missing = (self.watermark + 1..=hold_to).filter(|sequence| !self.committed.contains(sequence));
        self.discarded.extend(missing);
        self.watermark = hold_to;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_below_the_watermark_that_is_not_committed_or_told_as_discarded(
        ops in prop::collection::vec(op(), 1..120),
    ) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
        }
        // Whatever happened, it reaches the end once everything is stored.
        for _ in 0..3 {
            let handed: Vec<i64> = std::mem::take(&mut world.again).into_iter().collect();
            world.held[0].extend(handed);
            world.held[0].extend(world.delivered.max(world.first - 1) + 1..=world.last);
            world.delivered = world.last;
            world.apply(&Op::AskConsumer(0));
            world.apply(&Op::Tick(0));
            world.compare(None);
            for replica in 0..REPLICAS {
                for sequence in std::mem::take(&mut world.held[replica]) {
                    world.commit(sequence);
                    world.acknowledged.insert(sequence);
                }
            }
        }
        world.apply(&Op::AskConsumer(0));
        world.apply(&Op::Tick(0));
        prop_assert_eq!(world.watermark, world.last);
    }
}

#[track_caller]
fn check(watermark: i64, hold_to: Option<i64>, last: i64, (floor, first): (i64, i64), expected: Decision) {
    assert_eq!(decide(Standing { watermark, hold_to, last, is_near_end: false }, Told { floor, first }), expected);
}

#[test]
fn the_floor_is_believed_only_while_nothing_above_the_watermark_was_discarded() {
    check(10, None, i64::MAX, (20, 1), Decision::Raise(20));
    check(10, None, i64::MAX, (20, 11), Decision::Raise(20));
    check(10, None, i64::MAX, (20, 12), Decision::Hold(11));
    check(10, None, i64::MAX, (10, 11), Decision::Nothing);
    check(10, Some(15), i64::MAX, (40, 30), Decision::Compare(15));
}

#[test]
fn a_life_ends_where_the_next_one_of_the_same_stream_begins() {
    check(10, None, 15, (40, 1), Decision::Raise(15));
    check(15, None, 15, (40, 1), Decision::Nothing);
    check(10, None, 15, (40, 30), Decision::Hold(15));
    check(20, None, 15, (40, 30), Decision::Nothing);
}

#[test]
fn where_the_stream_is_about_to_discard_the_floor_is_compared_before_it_is_believed() {
    let standing = |hold_to| Standing { watermark: 5, hold_to, last: i64::MAX, is_near_end: true };
    // One server counts 6 to 9 as acknowledged since they expired by its clock; by the other's the stream has them still.
    let told = Told { floor: 9, first: 6 };
    assert_eq!(decide(standing(None), told), Decision::Hold(9));
    assert_eq!(decide(standing(Some(9)), told), Decision::Compare(9));
    assert_eq!(decide(standing(None), Told { floor: 5, first: 6 }), Decision::Nothing);
}
