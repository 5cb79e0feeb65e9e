//! SIGTERM and SIGINT become one token that every task of a process watches.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How a process is told to stop.
#[derive(Debug, Clone)]
pub struct Stop {
    /// Cancelled by the first signal: stop in order.
    pub stop: CancellationToken,
    /// Cancelled by the second one: somebody does not want to wait for that.
    pub at_once: CancellationToken,
}

/// A token that the first SIGTERM or SIGINT cancels. A second one does nothing more: the process already stops as fast as
/// it can without losing anything.
///
/// # Errors
/// When the process may not listen for signals.
pub fn stop_token() -> anyhow::Result<CancellationToken> {
    Ok(stop_tokens()?.stop)
}

/// Tokens that the first SIGTERM or SIGINT and the second one cancel.
///
/// # Errors
/// When the process may not listen for signals.
pub fn stop_tokens() -> anyhow::Result<Stop> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let tokens = Stop { stop: CancellationToken::new(), at_once: CancellationToken::new() };
    let cancelled = tokens.clone();
    tokio::spawn(async move {
        // The streams stay open: dropping them would give the signals back their deadly default.
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if cancelled.stop.is_cancelled() {
                cancelled.at_once.cancel();
            } else {
                tracing::info!(signal.name = name, "stopping");
                cancelled.stop.cancel();
            }
        }
    });
    Ok(tokens)
}
