//! From the sources to the stream, in order.

pub mod bucket;
pub mod retry;
pub mod window;
