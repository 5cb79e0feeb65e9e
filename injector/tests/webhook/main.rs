//! The injector as its callers see it: recorded reviews in, answers out.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report, also in its helpers")]

mod credentials;
mod damages;
mod edges;
mod fixtures;
mod manifests;
mod page;
mod properties;
mod reload;
mod reviews;
mod scratch;
mod server;
mod shapes;
mod tokenless;
