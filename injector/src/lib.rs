//! The injector: a mutating webhook that adds the sidecar to workflow pods.
//!
//! It must never reject a pod, and never call an API, a DNS server or a registry while a review waits: every review is answered
//! `allowed: true` from what it holds and what is in memory.
//!
//! From a review to its answer: [`review`] reads it, [`policy`] decides who is looked at, [`plan`] says what such a pod should have in it
//! (with [`runtime`], [`identity`], [`annotations`], [`files`] and [`container`]), [`patch`] brings the pod there and checks itself,
//! [`mutate`] ties these together, [`server`] speaks TLS and HTTP. [`offline`] does the same to manifests, [`live`] explains a pod of a
//! cluster, and [`check`] looks at an installation. Beside reviews, [`certificates`] keeps what the API server verifies, [`owners`]
//! knows who owns which Job, [`misses`] finds pods that were made without a sidecar, and [`events`] tells owners what became of
//! their pods.

pub mod annotations;
pub mod certificates;
pub mod check;
pub mod cli;
pub mod cluster;
pub mod container;
pub mod credentials;
pub mod events;
pub mod files;
pub mod identity;
pub mod live;
pub mod meaning;
pub mod metrics;
pub mod misfit;
pub mod misses;
pub mod mutate;
pub mod names;
pub mod namespaces;
pub mod note;
pub mod offline;
pub mod options;
pub mod ours;
pub mod owners;
pub mod patch;
pub mod paths;
pub mod plan;
pub mod pod;
pub mod policy;
pub mod quantity;
pub mod read;
pub mod resources;
pub mod review;
pub mod runtime;
pub mod serve;
pub mod server;
pub mod status;
pub mod user;
