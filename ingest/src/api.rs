//! The JSON that programs are given.

pub mod event;
