//! What a terminal may be told, and how it is told: texts of others without a single control character of theirs, colours
//! where they are wanted, lines that fit.

pub mod colour;
pub mod output;
pub mod visible;
pub mod wrap;
pub mod zone;
