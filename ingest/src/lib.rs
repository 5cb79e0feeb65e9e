//! From JetStream to PostgreSQL, exactly once, and from there to people: history, live streams and pages.
//!
//! It must never acknowledge a message before it is committed, and never drop one that it cannot read: such a message
//! is a dead letter, with its bytes.

pub mod access;
pub mod api;
pub mod args;
pub mod backfill;
pub mod batch;
pub mod client;
pub mod consume;
pub mod cursor;
pub mod dead_letters;
pub mod epochs;
pub mod filter;
pub mod http;
pub mod live;
pub mod metrics;
pub mod openapi;
pub mod pages;
pub mod past;
pub mod program;
pub mod read;
pub mod readback;
pub mod replay;
pub mod retention;
pub mod runs;
pub mod serve;
pub mod settled;
pub mod setup;
pub mod store;
pub mod stored;
pub mod tail;
pub mod terminal;
