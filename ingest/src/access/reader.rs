//! What one stream shows of the messages that match it: each message is asked for, since namespaces that nobody knew when the
//! stream began may speak in it, and rights come and go.

use std::time::Duration;

use tokio::time::Instant;

use super::{Unavailable, Viewer};
use crate::filter::Filter;
use crate::stored::StoredMessage;

/// How long this stream itself remembers an answer, so that a burst of messages of one run asks once. It adds to the time for
/// which the answer is kept for everybody.
const REMEMBERED: Duration = Duration::from_secs(1);

/// The reader of one stream.
#[derive(Debug)]
pub struct Reader {
    viewer: Viewer,
    /// Whether the stream shows the shared channel.
    general: bool,
    /// The last namespace, whether it may be read, and since when that is known.
    last: Option<(String, bool, Instant)>,
    /// Since when it is known that the shared channel may be read, where it is shown.
    channel: Option<Instant>,
}

impl Reader {
    /// Of a stream of this choice, which shows the channel only to whom it may be shown.
    #[must_use]
    pub fn new(viewer: Viewer, filter: &Filter) -> Self {
        Self { viewer, general: filter.general, last: None, channel: None }
    }

    /// Whether a message that matches is known to be one that may be shown, without asking.
    #[must_use]
    pub fn is_known_to_read(&self, stored: &StoredMessage) -> bool {
        let is_fresh = |since: &Instant| since.elapsed() < REMEMBERED;
        let in_channel = || stored.message.is_general() && self.channel.as_ref().is_some_and(is_fresh);
        let in_namespace = || match &self.last {
            Some((last, true, since)) => stored.verified && *last == stored.message.run.namespace && is_fresh(since),
            _ => false,
        };
        self.viewer.is_open() || in_channel() || in_namespace()
    }

    /// Whether a message that matches may be shown.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn may_read(&mut self, stored: &StoredMessage) -> Result<bool, Unavailable> {
        if self.viewer.is_open() {
            return Ok(true);
        }
        if self.general && stored.message.is_general() && Box::pin(self.viewer.may_read_general()).await? {
            self.channel = Some(Instant::now());
            return Ok(true);
        }
        // The namespace of a message that is not verified is somebody's claim.
        if !stored.verified {
            return Ok(false);
        }
        let namespace = &stored.message.run.namespace;
        match &self.last {
            Some((last, may, since)) if last == namespace && since.elapsed() < REMEMBERED => Ok(*may),
            _ => {
                // Apart, so that a stream does not keep room for a question that it rarely asks.
                let may = Box::pin(self.viewer.may_read(namespace)).await?;
                self.last = Some((namespace.clone(), may, Instant::now()));
                Ok(may)
            }
        }
    }
}
