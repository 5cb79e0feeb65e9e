//! The JSON that programs are given, and the streams of it.

pub mod dead_letters;
pub mod event;
pub mod events;
pub mod export;
pub mod markdown;
pub mod messages;
pub mod parameters;
pub mod run;
pub mod runs;
