//! Who may read what ingest serves, decided by a real API server.

mod browser;
mod ground;
mod lists;
mod outage;
mod streams;
mod wire;
