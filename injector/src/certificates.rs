//! The certificate that the API server sees: made, renewed, served, and trusted by every webhook entry.
//!
//! Decisions are apart from the cluster: [`policy`] says what is due, [`issue`] makes it, [`material`] is what the Secret
//! holds, [`bundle`] what the webhook configuration must trust. [`keeper`] and [`managed`] bring the three together with
//! [`store`]. What handshakes get, and files that somebody else renews, are the service's ([`service::tls`]).
//!
//! Invariants:
//! - a certificate is served once every entry's `caBundle` verifies it, unless nothing better is there;
//! - an authority is in every `caBundle` before it signs, and stays until the last certificate that it signed has ended;
//! - of replicas that write at the same time one wins, and the others follow it;
//! - no handshake fails because a certificate is replaced.

pub mod bundle;
pub mod issue;
pub mod keeper;
pub mod material;
pub mod metrics;
pub mod options;
pub mod policy;
pub mod store;

mod managed;
