//! SIGTERM and SIGINT become one token that every task of a process watches.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that the first SIGTERM or SIGINT cancels. A second one does nothing more: the process already stops as fast as
/// it can without losing anything.
///
/// # Errors
/// When the process may not listen for signals.
pub fn stop_token() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            () = cancelled.cancelled() => return,
        };
        tracing::info!(signal.name = name, "stopping");
        cancelled.cancel();
        // The streams stay open: dropping them would give the signals back their deadly default.
        loop {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        }
    });
    Ok(stop)
}
