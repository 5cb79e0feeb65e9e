//! `agent-comms ready`: holds a step back until its sockets exist, and not for long.

use std::time::{Duration, Instant};

use crate::args::PlaceArgs;
use crate::socket::place::Place;

/// After this the step goes on without; its first lines wait in its own hands.
const LONGEST: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Waits until every socket exists, or long enough.
pub async fn ready(args: &PlaceArgs) {
    let places = Place::all(&args.run_dir, &args.containers);
    let start = Instant::now();
    while let Some(missing) = places.iter().find(|place| !place.is_there()) {
        if start.elapsed() >= LONGEST {
            tracing::warn!(socket.path = %missing.socket().display(), "a socket is not there yet, going on without");
            return;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
