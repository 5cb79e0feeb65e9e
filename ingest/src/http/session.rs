//! How long a stream may go on: until its reader is no longer known, or until the server stops, when all of them end, each at
//! another moment.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::limits::Place;
use crate::access::Viewer;

/// Ends streams when the server stops. Clones are the same.
#[derive(Debug, Clone)]
pub struct Drain {
    /// The server stops.
    pub stop: CancellationToken,
    /// Over so long.
    pub time: Duration,
}

/// An open stream.
#[derive(Debug)]
pub struct Session {
    pub(super) place: Place,
    pub(super) viewer: Viewer,
    pub(super) drain: Drain,
    pub(super) busy: Arc<()>,
}

impl Session {
    /// Waits until the stream has to end; keeps its place until then, or until this is dropped.
    pub async fn ended(self) {
        let Self { place: _place, viewer, drain, busy: _busy } = self;
        tokio::select! {
            () = viewer.gone() => {}
            () = drain.ended() => {}
        }
    }
}

impl Drain {
    /// Waits for the share of one stream. Who comes back to the other servers at once, from all of the streams, is as many
    /// new streams as there are.
    async fn ended(&self) {
        self.stop.cancelled().await;
        tokio::time::sleep(self.time.mul_f64(service::nats::random_fraction())).await;
    }
}
