//! A stream that loses its end now and then, and two replicas that hold, store and tell each other what they saw: whatever
//! the order of it all, no two messages have one cursor, and cursors are in the order in which messages were published.

use std::collections::BTreeMap;

use message::Timestamp;
use proptest::prelude::*;

use super::{High, Judgement, judge};
use crate::epochs::{Epoch, Epochs};

const REPLICAS: usize = 2;

#[derive(Debug, Clone)]
enum Op {
    Publish(u8),
    Deliver {
        replica: usize,
    },
    /// A replica stores one that it holds.
    Store {
        replica: usize,
        which: prop::sample::Index,
    },
    /// It writes down what it saw and reads what others saw.
    Tick(usize),
    /// The stream loses its newest messages; the durable comes back with it.
    Cut {
        lost: usize,
        floor: usize,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let replica = || 0..REPLICAS;
    prop_oneof![
        5 => (1..4_u8).prop_map(Op::Publish),
        8 => replica().prop_map(|replica| Op::Deliver { replica }),
        6 => (replica(), any::<prop::sample::Index>()).prop_map(|(replica, which)| Op::Store { replica, which }),
        2 => replica().prop_map(Op::Tick),
        1 => (0..6_usize, 0..4_usize).prop_map(|(lost, floor)| Op::Cut { lost, floor }),
    ]
}

/// A message; its number is the order in which all were published.
#[derive(Debug, Clone, Copy)]
struct Message {
    sequence: i64,
    at: Timestamp,
    number: i64,
}

#[derive(Debug)]
struct World {
    stream: Vec<Message>,
    published: i64,
    /// How far the durable has delivered.
    delivered: usize,
    epochs: Epochs,
    seen: High,
    highs: [High; REPLICAS],
    held: [Vec<Message>; REPLICAS],
    rows: BTreeMap<(i64, i64), i64>,
    latest_stored: Option<Timestamp>,
}

fn at(number: i64) -> Timestamp {
    Timestamp::from_unix_micros(number).unwrap()
}

impl World {
    fn new() -> Self {
        Self {
            stream: vec![],
            published: 0,
            delivered: 0,
            epochs: Epochs::first(),
            seen: High::default(),
            highs: [High::default(); REPLICAS],
            held: Default::default(),
            rows: BTreeMap::new(),
            latest_stored: None,
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Publish(count) => (0..*count).for_each(|_| self.publish()),
            Op::Deliver { replica } => self.deliver(*replica),
            Op::Store { replica, which } => {
                if !self.held[*replica].is_empty() {
                    let index = which.index(self.held[*replica].len());
                    self.store(*replica, index);
                }
            }
            Op::Tick(replica) => self.tick(*replica),
            Op::Cut { lost, floor } => {
                self.stream.truncate(self.stream.len().saturating_sub(*lost));
                self.delivered = self.delivered.min(self.stream.len()).saturating_sub(*floor);
                // The quarantine: everybody writes, then everybody reads, before anything of the new life is taken.
                for _ in 0..2 {
                    (0..REPLICAS).for_each(|replica| self.tick(replica));
                }
            }
        }
    }

    fn publish(&mut self) {
        self.published += 1;
        let sequence = self.stream.last().map_or(0, |last| last.sequence) + 1;
        self.stream.push(Message { sequence, at: at(self.published), number: self.published });
    }

    fn tick(&mut self, replica: usize) {
        self.seen.raise(self.highs[replica]);
        self.highs[replica].raise(self.seen);
    }

    fn judge(&self, replica: usize, message: Message) -> Judgement {
        if self.epochs.of_moment(message.at) != self.epochs.newest() {
            return Judgement::Old;
        }
        judge(self.highs[replica], message.sequence, message.at)
    }

    fn deliver(&mut self, replica: usize) {
        let Some(message) = self.stream.get(self.delivered).copied() else { return };
        if self.judge(replica, message) == Judgement::Backwards {
            self.add_epoch();
        }
        let judgement = self.judge(replica, message);
        assert_ne!(judgement, Judgement::Backwards, "the break was added: {self:?}");
        if self.epochs.of_moment(message.at) == self.epochs.newest() {
            self.highs[replica].raise(High { sequence: message.sequence, at: Some(message.at) });
        }
        self.delivered += 1;
        self.held[replica].push(message);
    }

    fn add_epoch(&mut self) {
        let latest = self.seen.at.max(self.latest_stored);
        let Some(first) = self.stream.iter().find(|message| Some(message.at) > latest) else { return };
        let epoch = self.epochs.newest() + 1;
        let (starts_at, first_sequence) = (Some(first.at), first.sequence);
        self.epochs.0.push(Epoch { epoch, starts_at, first_sequence, ..Epoch::default() });
        self.seen = High::default();
        self.highs = [High::default(); REPLICAS];
    }

    fn store(&mut self, replica: usize, index: usize) {
        let message = self.held[replica][index];
        if self.judge(replica, message) == Judgement::Backwards {
            self.add_epoch();
            return;
        }
        self.held[replica].remove(index);
        let epoch = self.epochs.of_moment(message.at);
        let other = self.rows.insert((epoch, message.sequence), message.number);
        assert!(other.is_none_or(|other| other == message.number), "two messages at {epoch}.{}: {self:?}", message.sequence);
        self.latest_stored = self.latest_stored.max(Some(message.at));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, ..ProptestConfig::default() })]

    #[test]
    fn no_cursor_is_used_twice_and_cursors_are_in_the_order_of_publishing(ops in prop::collection::vec(op(), 1..100)) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
        }
        let numbers: Vec<i64> = world.rows.values().copied().collect();
        prop_assert!(numbers.is_sorted(), "{world:?}");
    }
}

#[track_caller]
fn check(high: (i64, i64), message: (i64, i64), expected: Judgement) {
    let high = High { sequence: high.0, at: Some(at(high.1)) };
    assert_eq!(judge(high, message.0, at(message.1)), expected);
}

#[test]
fn a_message_among_those_that_were_seen_is_of_another_life_only_when_it_is_later_than_all() {
    check((1_000, 50), (1_001, 51), Judgement::Advance);
    check((1_000, 50), (900, 40), Judgement::Old);
    check((1_000, 50), (1_000, 50), Judgement::Old);
    check((1_000, 50), (900, 51), Judgement::Backwards);
    check((1_000, 50), (1_000, 51), Judgement::Backwards);
}

#[test]
fn a_leader_whose_clock_is_behind_ends_no_life() {
    let mut high = High { sequence: 1_000, at: Some(at(60)) };
    // The new leader stores 1001 and 1002 a little in the past; then 1001 is delivered again.
    for (sequence, moment) in [(1_001, 55), (1_002, 61)] {
        assert_eq!(judge(high, sequence, at(moment)), Judgement::Advance);
        high.raise(High { sequence, at: Some(at(moment)) });
    }
    assert_eq!(judge(high, 1_001, at(55)), Judgement::Old);
}
