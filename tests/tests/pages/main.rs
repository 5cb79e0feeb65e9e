//! The pages in a real browser, in front of a real ingest with a real stream and a real database.

mod general;
mod ground;
mod run;
mod runs;
mod safety;
