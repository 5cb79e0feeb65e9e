//! How many files and connections may be open at once.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit as far as the system lets a process, and gives what it is then; none where there is no limit.
///
/// Many systems set a low one, for programs that can hold no higher numbers, and let each raise its own.
#[must_use]
pub fn raise_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::debug!(error = %error, "the limit of open files cannot be raised");
            limit.current
        }
    }
}
