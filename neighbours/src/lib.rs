//! The real neighbours of agent-comms, for the demo and the tests: NATS with `JetStream`, `PostgreSQL`, Chromium, `curl`, a
//! Kubernetes API server with Argo's kinds, kustomize, `promtool`, axe-core, the certificates between them, and what a pod's sidecar
//! stands on: directories, disks, a clock, a network.
//!
//! A neighbour that is installed is used; one that is missing is fetched once into the user's cache directory, without
//! root. Every server runs on loopback, on a free port, in a directory of its own, and ends with the process that started
//! it, however that ends ([`Process`]).
//!
//! This crate never imitates a neighbour, never touches a server it did not start, and is no part of what is shipped.

pub mod argo;
pub mod axe;
pub mod cache;
pub mod certificates;
pub mod chromium;
pub mod clock;
pub mod curl;
pub mod kubernetes;
pub mod kustomize;
pub mod mounts;
pub mod nats;
pub mod pod;
pub mod port;
pub mod postgres;
pub mod process;
pub mod promtool;
pub mod proxy;

mod directory;
mod go;
mod janitor;
mod packages;
mod python;
mod version;

pub use cache::Cache;
pub use certificates::{Authority, Identity};
pub use chromium::Chromium;
pub use clock::Clock;
pub use curl::Curl;
pub use directory::Directory;
pub use kubernetes::Kubernetes;
pub use mounts::Mounts;
pub use nats::Nats;
pub use pod::Pod;
pub use postgres::Postgres;
pub use process::Process;
pub use proxy::Proxy;
