//! The sidecar.

pub mod publish;
pub mod spool;
