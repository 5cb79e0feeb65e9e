//! Random orders of publishing, delivery, storing and watching, against the one answer that is right: the messages that
//! match, from the viewer's cursor on, each once, by the lowest cursor of its id.

mod world;

use proptest::prelude::*;

use world::{Op, World};

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..2_u8).prop_map(|run| Op::Publish { run }),
        2 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(which, marked)| Op::Copy { which, marked }),
        1 => Just(Op::Unreadable),
        4 => (1..6_usize).prop_map(|count| Op::Deliver { count }),
        3 => (1..6_i64).prop_map(|count| Op::Commit { count }),
        2 => Just(Op::Decide),
        1 => (0..4_i64).prop_map(|count| Op::Discard { count }),
        1 => (0..4_i64, any::<bool>()).prop_map(|(overlap, process)| Op::Restart { overlap, process }),
        1 => Just(Op::Close),
        2 => (0..3_u8, any::<prop::sample::Index>()).prop_map(|(wants, after)| Op::Subscribe { wants, after }),
        6 => any::<prop::sample::Index>().prop_map(|which| Op::View { which }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn every_viewer_sees_what_matches_in_order_each_once(ops in prop::collection::vec(op(), 1..120)) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
        }
        world.settle();
        for viewer in &world.viewers {
            prop_assert_eq!(&viewer.seen, &world.expected(viewer));
        }
    }
}

#[test]
fn the_ring_lets_go_of_the_oldest_when_it_holds_too_many_bytes() {
    let mut world = World::new();
    world.limit_bytes(3);
    for _ in 0..5 {
        world.apply(&Op::Publish { run: 0 });
    }
    world.apply(&Op::Deliver { count: 5 });
    assert!(world.ring.frames() < 5);
    let span = world.ring.head().sequence - world.ring.base().sequence;
    assert_eq!(i64::try_from(world.ring.frames()).unwrap(), span);
}

#[test]
fn no_position_beyond_an_undecided_copy_is_given_out() {
    let mut world = World::new();
    world.apply(&Op::Publish { run: 0 });
    world.apply(&Op::Deliver { count: 1 });
    world.publish_marked();
    world.apply(&Op::Publish { run: 0 });
    world.apply(&Op::Deliver { count: 2 });
    assert_eq!(world.ring.settled(world.ring.head()).sequence, 1);
    world.apply(&Op::Commit { count: 3 });
    world.apply(&Op::Decide);
    assert_eq!(world.ring.settled(world.ring.head()).sequence, 3);
}
