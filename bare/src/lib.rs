//! What the yardsticks share: the least that can do the same work as the product, over the same connections.

pub mod crowd;
pub mod events;
pub mod frames;
pub mod messages;
pub mod program;
pub mod request;
pub mod rows;
pub mod say;
pub mod window;
