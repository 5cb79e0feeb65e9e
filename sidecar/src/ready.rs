//! `agent-comms ready` and `agent-comms init`: hold a step back until what it needs is there, and not for long.
//!
//! The binary that a step's command is put behind must be there, or the step cannot run at all: when it cannot be put in
//! place this fails, so that whoever called it tries again. The sockets are only better to have: a step goes on without.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::args::ReadyArgs;
use crate::init;
use crate::socket::place::Place;

/// After this the step goes on without; its first lines wait in its own hands.
const LONGEST: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Puts the binary in place, then waits until every socket exists, or long enough.
///
/// # Errors
/// When the binary cannot be put in place.
pub async fn ready(args: &ReadyArgs) -> anyhow::Result<()> {
    if let Some(directory) = args.install_dir.as_deref().filter(|directory| !directory.as_os_str().is_empty()) {
        init::install(directory)?;
    }
    let places = Place::all(&args.place.run_dir, &args.place.containers);
    let start = Instant::now();
    while let Some(missing) = places.iter().find(|place| !place.is_there()) {
        if start.elapsed() >= LONGEST {
            let path = missing.socket().display();
            // Nobody is left to tell when standard error is closed.
            drop(writeln!(std::io::stderr(), "agent-comms: the socket `{path}` is not there yet; going on without it"));
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}
