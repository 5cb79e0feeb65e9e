//! Who may read what ingest serves, decided by a real API server.

mod browser;
mod client;
mod ground;
mod lists;
mod login;
mod outage;
mod proxy;
mod states;
mod streams;
mod wire;
