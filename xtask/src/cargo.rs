//! Cargo, run from a command that cargo runs.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process_group};

/// What `cargo run` tells the program it runs about that program's own package. A build script that watches one of these
/// would find it changed, and a whole branch of dependencies would be built anew each time.
const OF_THIS_PACKAGE: [&str; 3] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];

/// The cargo that runs us, with these arguments.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        if OF_THIS_PACKAGE.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end, its output going where ours goes. One that takes longer than `limit` hangs: it is ended with
/// everything it started, and its last output says where.
pub fn run_within(command: Command, limit: Duration) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    runtime.block_on(run_in_group(command, limit))
}

async fn run_in_group(mut command: Command, limit: Duration) -> anyhow::Result<()> {
    let words = command.get_args().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    // A group of its own, so that all of it can be ended; a terminal's Ctrl-C then reaches us alone.
    command.process_group(0);
    let mut child = tokio::process::Command::from(command).spawn().context("cannot run cargo")?;
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).context("cargo has no process id")?;
    let why = tokio::select! {
        status = child.wait() => {
            anyhow::ensure!(status.context("cannot wait for cargo")?.success(), "`cargo {words}` failed");
            return Ok(());
        }
        () = tokio::time::sleep(limit) => format!("`cargo {words}` did not end within {} minutes", limit.as_secs() / 60),
        _ = tokio::signal::ctrl_c() => "interrupted".to_owned(),
    };
    kill_process_group(group, Signal::KILL).context("cannot end cargo")?;
    child.wait().await.context("cannot wait for cargo")?;
    bail!(why)
}
