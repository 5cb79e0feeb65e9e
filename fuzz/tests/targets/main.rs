//! The targets, one for each reader of bytes that others wrote. See the crate for how to run them for longer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a target says what went wrong by failing there")]

mod checkpoint;
mod manifests;
mod records;
mod review;
mod socket;
mod spool;
