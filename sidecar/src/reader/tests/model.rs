//! Everything that can happen to files and to the process, in random order, against what must come of it.

mod reference;

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::world::Setup;
use reference::Reference;

/// What happens.
#[derive(Debug, Clone)]
enum Step {
    /// Lines are appended to a file by whoever has it open, whatever it is called now; perhaps without the last end.
    Append {
        file: prop::sample::Index,
        lines: usize,
        partial: bool,
    },
    /// A line is appended to what has this name, which comes into being.
    Write {
        name: usize,
    },
    Rename {
        name: usize,
    },
    CopyTruncate {
        name: usize,
    },
    Delete {
        name: usize,
    },
    SwapLink,
    /// The reader looks for changes and sends at most this many.
    Poll {
        most: usize,
    },
    /// At most this many are sent of what is known.
    Send {
        most: usize,
    },
    Acknowledge {
        count: usize,
    },
    Save,
    /// The process dies; so many of what it sent have arrived.
    Crash {
        arrived: usize,
    },
    Restart,
}

const NAMES: [&str; 3] = ["a.log", "b.log", "link"];
const LINK: usize = 2;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = 0..NAMES.len();
    let step = prop_oneof![
        4 => (any::<prop::sample::Index>(), 0..4_usize, any::<bool>())
            .prop_map(|(file, lines, partial)| Step::Append { file, lines, partial }),
        4 => name.clone().prop_map(|name| Step::Write { name }),
        2 => (0..LINK).prop_map(|name| Step::Rename { name }),
        2 => name.prop_map(|name| Step::CopyTruncate { name }),
        1 => (0..LINK).prop_map(|name| Step::Delete { name }),
        1 => Just(Step::SwapLink),
        8 => (0..12_usize).prop_map(|most| Step::Poll { most }),
        2 => (0..12_usize).prop_map(|most| Step::Send { most }),
        5 => (0..12_usize).prop_map(|count| Step::Acknowledge { count }),
        3 => Just(Step::Save),
        1 => (0..4_usize).prop_map(|arrived| Step::Crash { arrived }),
        2 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

fn setups() -> impl Strategy<Value = Setup> {
    let limits = prop::sample::select(vec![1, 2, 100]);
    (any::<bool>(), limits, any::<bool>()).prop_map(|(watching, open, kept)| Setup {
        watching,
        open,
        deleted_idle: if kept { Duration::from_secs(3_600) } else { Duration::ZERO },
    })
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn nothing_is_lost_or_repeated_whatever_happens_to_files_and_process(setup in setups(), steps in steps()) {
        let mut reference = Reference::new(setup);
        for step in &steps {
            reference.apply(step);
        }
        reference.check();
    }
}

/// The same orders each time, so that a change is to blame when one fails; at full length new ones.
fn config() -> ProptestConfig {
    let is_soak = std::env::var_os("AGENT_COMMS_SOAK").is_some();
    ProptestConfig {
        cases: if is_soak { 20_000 } else { 128 },
        rng_seed: if is_soak { RngSeed::Random } else { RngSeed::Fixed(1) },
        max_shrink_iters: 3_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
