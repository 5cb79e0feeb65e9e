//! How a yardstick that talks to the broker runs: one thread, and an end that says what went wrong.

use std::process::ExitCode;

/// Does some work on one thread, and tells its end under a name.
pub fn run(name: &str, work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    service::exit::report(name, runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(work)))
}
