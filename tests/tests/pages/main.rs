//! The pages in a real browser, in front of a real ingest with a real stream and a real database.

mod access;
mod around;
mod connection;
mod day;
mod edges;
mod filters;
mod general;
mod ground;
mod plain;
mod portrait;
mod readable;
mod road;
mod run;
mod runs;
mod safety;
mod screens;
mod states;
mod story;
mod tabs;
mod taken;
mod trouble;
mod window;
