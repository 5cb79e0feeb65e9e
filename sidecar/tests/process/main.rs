//! The sidecar as a process, against a real NATS server with TLS and the permissions that publishers have.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing there")]

mod connections;
mod delivery;
mod disk;
mod drain;
mod exec;
mod files;
mod groups;
mod in_pod;
mod lifecycle;
mod outage;
mod parse;
mod restart;
mod rotation;
mod sockets;
mod token;
mod world;
