//! What needs two parts of agent-comms or a real neighbour: the whole way of a message, faults, and the pages in a real
//! browser. It must never imitate a neighbour that can run here.

pub mod browser;
pub mod chance;
pub mod look;
pub mod picture;
pub mod replica;

/// The second length with `AGENT_COMMS_SOAK`, else the first.
#[must_use]
pub fn length<T>(short: T, whole: T) -> T {
    if std::env::var_os("AGENT_COMMS_SOAK").is_some() { whole } else { short }
}
