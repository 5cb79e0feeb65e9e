//! How the processes of agent-comms start, log, serve their admin port, connect and stop: the same everywhere, so that
//! an operator learns it once. It must never know what a message means.
//!
//! Invariants kept here:
//! - nothing travels without TLS unless the other end is this machine ([`nats`], [`tls`]);
//! - a failure ends in one line that names the thing, the value and the way out ([`exit`]);
//! - one token stops a process, and every task ends with it ([`signals`]).

pub mod accept;
pub mod admin;
pub mod causes;
pub mod descriptors;
pub mod exit;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod logs;
pub mod metrics;
pub mod nats;
pub mod signals;
pub mod tls;
