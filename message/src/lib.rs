//! The message model of agent-comms: what one record is, which run it belongs to, the subject it travels on, the id it
//! is known by, and its JSON forms. Everything here is a pure function of its arguments.
//!
//! It must never reach a network, a clock or a file: times and bytes are handed in, so that the sidecar, ingest and the
//! tests get the same answer from the same input.
//!
//! Invariants kept here:
//! - the same bytes at the same place in the same source have the same id ([`id`]);
//! - no text, whoever chose it, adds a token, a wildcard or a separator to a subject ([`escape`]);
//! - the subject decides whose message it is; a body that claims another run is refused ([`decode`]).

pub mod body;
pub mod control;
mod decimal;
pub mod decode;
pub mod escape;
pub mod id;
pub mod identity;
pub mod kind;
mod model;
pub mod recent;
pub mod subject;
pub mod timestamp;
mod tool;
pub mod wire;

pub use decode::{DecodeError, Decoded, Placement, Received, decode};
pub use identity::{PodIdentity, RunIdentity, RunKey, UNKNOWN};
pub use kind::{Kind, Role};
pub use model::{Message, Source};
pub use recent::Recent;
pub use subject::Subject;
pub use timestamp::Timestamp;
pub use tool::Tool;

/// The channel that all runs share.
pub const GENERAL_CHANNEL: &str = "general";

/// The version of the JSON schema that is published, field `v`.
pub const SCHEMA_VERSION: u64 = 1;

/// Header that marks a message as possibly sent before, with the value `1`.
pub const RESEND_HEADER: &str = "Agent-Comms-Resend";
