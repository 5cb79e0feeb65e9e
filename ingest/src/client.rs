//! Asks the API as any program may: over HTTP, from any machine, as whoever its token says.
//!
//! Nothing here knows the database or the bus. A stream that breaks is taken up again after the last event that came whole,
//! so whoever reads it gets each event once and in order.

pub mod backoff;
pub mod follow;
pub mod http;
pub mod server;
pub mod sse;
