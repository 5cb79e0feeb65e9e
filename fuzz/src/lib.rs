//! Feeds what reads bytes with bytes that nobody meant. The targets are in `tests/targets/`, one for each reader.
//!
//! A target is a function of bytes that panics when something is wrong. [`target!`] gives it every file of its corpus
//! (`tests/targets/__fuzz__/<target>/corpus/`), then [changed](change) ones and random ones, a bounded number of each; fifty
//! times as many while `AGENT_COMMS_SOAK` is set. The same targets run guided by coverage with
//! `cargo bolero test --package fuzz <target>`, which adds to the corpus what reaches new code.
//!
//! What a failing run prints as `BOLERO_RANDOM_SEED` repeats it. The bytes that made it fail belong into the corpus.

pub mod change;
pub mod graft;

use std::path::{Path, PathBuf};

/// Bytes of the longest input that is made up.
pub const LONGEST: usize = 16 * 1024;

/// Runs a target: `fuzz::target!("name", function)`, where the function takes `&[u8]`.
#[macro_export]
macro_rules! target {
    ($name:literal, $read:expr) => {{
        // A target that panicked is not used again, so what it leaves half done is seen by nobody.
        let read = std::panic::AssertUnwindSafe($read);
        let corpus = $crate::corpus(env!("CARGO_MANIFEST_DIR"), $name);
        bolero::check!(name = $name).with_iterations($crate::iterations(200)).with_max_len($crate::LONGEST).for_each(
            |bytes: &[u8]| {
                let read = &read;
                read(bytes);
            },
        );
        bolero::check!(name = concat!($name, "-changed"))
            .with_iterations($crate::iterations(800))
            .with_type::<$crate::change::Change>()
            .for_each(|change: &$crate::change::Change| {
                let read = &read;
                read(&change.of(&corpus));
            });
    }};
}

/// How many inputs of one sort are tried, where `usual` are tried in a normal run.
#[must_use]
pub fn iterations(usual: usize) -> usize {
    if std::env::var_os("AGENT_COMMS_SOAK").is_some() { usual * 50 } else { usual }
}

/// The files of a target's corpus, in the order of their names.
///
/// # Panics
/// When there is none: a target without a corpus would find nothing that a checksum or a first byte keeps out.
#[must_use]
pub fn corpus(manifest: &str, target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(manifest).join("tests/targets/__fuzz__").join(target).join("corpus");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let corpus: Vec<Vec<u8>> = paths.iter().filter_map(|path| std::fs::read(path).ok()).collect();
    assert!(!corpus.is_empty(), "the corpus `{}` is empty", directory.display());
    corpus
}
