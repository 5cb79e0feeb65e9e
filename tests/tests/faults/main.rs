//! What goes wrong between a step and the table, at random moments: whatever it is, what the step said is there once, in
//! order. One checker looks at all of it. Each run prints its seed; `AGENT_COMMS_SEED` repeats it. With `AGENT_COMMS_SOAK`
//! everything takes its full length.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test says what went wrong by failing there")]

mod checker;
mod world;
mod writer;

mod backfill;
mod broker;
mod channel;
mod clock;
mod disk;
mod network;
mod sidecar;

use tests::length;
