//! Ingest against real neighbours: NATS with TLS and `PostgreSQL`.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a test ends where something is not as it should be"
)]

mod apart;
mod api;
mod behind;
mod breaks;
mod changes;
mod crashes;
mod days;
mod discarded;
mod floor;
mod guarded;
mod held;
mod history;
mod hostile;
mod hub;
mod keeping;
mod kept;
mod letters;
mod live;
mod lives;
mod memory;
mod metrics;
mod once;
mod orders;
mod quiet;
mod read;
mod replayed;
mod serving;
mod shelf;
mod sparse;
mod storing;
mod table;
mod tail;
mod terminal;
mod untaken;
mod viewer;
mod world;
