//! What goes wrong between a step and the table, at random moments: whatever it is, what the step said is there once, in
//! order. One checker looks at all of it. Each run prints its seed; `AGENT_COMMS_SEED` repeats it. With `AGENT_COMMS_SOAK`
//! everything takes its full length.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test says what went wrong by failing there")]

mod chance;
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

/// The second length with `AGENT_COMMS_SOAK`, else the first.
fn length<T>(short: T, whole: T) -> T {
    if std::env::var_os("AGENT_COMMS_SOAK").is_some() { whole } else { short }
}
