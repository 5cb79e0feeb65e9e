//! Who may read what.
//!
//! Invariants kept here:
//! - whoever proves nothing reads nothing: a proof that cannot be checked, and a right that cannot be asked for, count as none;
//! - what somebody may read is asked for each namespace, and for the shared channel apart; an answer of the API server counts
//!   for as long as the settings say, an error not at all;
//! - the word of a proxy counts by the address it comes from, and from an address that everybody has only with a secret;
//! - a stream ends with the proof that it was opened with;
//! - no token and no secret is shown or logged.

pub mod cookie;
pub mod guard;
pub mod kubernetes;
pub mod metrics;
pub mod proxy;
pub mod reader;
pub mod token;
pub mod user;
pub mod viewer;

pub use guard::{Access, Guard};
pub use viewer::Viewer;

/// Who may read what could not be found out. It was logged where it happened; the reader can do nothing but ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("who may read what cannot be asked of the api server at the moment")]
pub struct Unavailable;
