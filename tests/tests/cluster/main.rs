//! The injector and ingest with a real API server.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report, also in its helpers"
)]

mod access;
mod admission;
mod alerts;
mod certificates;
mod check;
mod events;
mod explain;
mod ground;
mod misses;
mod mounted;
mod others;
mod owners;
mod reading;
mod rotation;
mod schema;
mod shipped;
mod strict;
mod workflows;

// The recorded pods and the made-up ones of the injector's own tests.
#[path = "../../../injector/tests/webhook/damages.rs"]
mod damages;
#[path = "../../../injector/tests/webhook/reviews.rs"]
mod reviews;
#[path = "../../../injector/tests/webhook/shapes.rs"]
mod shapes;
