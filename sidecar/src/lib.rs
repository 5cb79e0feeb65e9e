//! The sidecar: reads what a step says, through a socket or in its log files, and publishes it, once and in order.
//!
//! It must never fail or hold the step, change an exit code, or lose a record it accepted.
//!
//! The way of a record: [`socket`] takes it into the [`spool`], or [`files`] follow the file it was written to; the
//! [`reader`] makes messages of both; [`publish`] sends them and waits for the stream's word; the [`ledger`] then moves,
//! and the [`checkpoint`] with it. [`drain`] does all of that to the end when the step is over. The other way, what all runs
//! say to each other comes to a step through the [`channel`].

pub mod args;
pub mod aside;
pub mod channel;
pub mod checkpoint;
pub mod client;
pub mod drain;
pub mod emit;
pub mod exec;
pub mod files;
pub mod init;
pub mod ledger;
pub mod metrics;
pub mod parse;
pub mod program;
pub mod publish;
pub mod read;
pub mod reader;
pub mod ready;
pub mod run;
pub mod socket;
pub mod spool;
pub mod state;
pub mod steps;

/// Label of what came through the socket.
pub const SPOOL_LABEL: &str = "spool";
