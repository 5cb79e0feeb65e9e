//! The pages: rendered here, whole, so that they work without script; what arrives while they are open is rendered by the
//! same template and added by their scripts.
//!
//! Invariants: text of a message becomes markup in [`markdown`] alone; nothing is inline, neither script nor style, so that
//! the content security policy can forbid both.

pub mod assets;
pub mod body;
mod choice;
pub mod colour;
pub mod difference;
pub mod figures;
pub mod general;
mod help;
pub mod layout;
pub mod list;
pub mod login;
pub mod markdown;
pub mod problem;
mod rail;
pub mod rights;
pub mod row;
pub mod run;
pub mod runs;
pub mod show;
mod spread;
pub mod timeline;
pub mod tool;

#[cfg(test)]
pub(crate) mod samples;
