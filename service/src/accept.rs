//! Takes connections, for as long as it takes.

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// How long is waited when none can be taken. As a rule descriptors have run out: connections then wait in the kernel's queue until
/// others are closed, and asking at once would only burn time of the processor.
const PAUSE: Duration = Duration::from_millis(50);

/// The next connection. Nothing is lost when the future is dropped.
pub async fn next(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers and events are small and leave at once; without this the last part waits for an acknowledgement.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection keeps its delay");
                }
                return stream;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
