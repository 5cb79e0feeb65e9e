//! Where something goes that cannot be used: beside its place, and never onto what went there before.

use std::path::{Path, PathBuf};

/// A path beside `path` with the time in it, in Unix milliseconds, or with the next number where the clock has told that time
/// before.
#[must_use]
pub fn beside(path: &Path, now_millis: u64) -> PathBuf {
    let at = |number: u64| path.with_extension(format!("set-aside-{number}"));
    let free = (now_millis..u64::MAX).map(at).find(|path| path.symlink_metadata().is_err());
    free.unwrap_or_else(|| at(now_millis))
}
