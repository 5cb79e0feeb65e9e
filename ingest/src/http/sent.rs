//! Answers on their way: in small parts, so that what a connection holds of an answer is small, and what the answer takes is
//! counted until the last part has left.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Version;
use hyper::body::{Frame, SizeHint};

use super::answer::{Answer, Body};
use super::limits::Held;

/// What leaves at once. HTTP/2 cuts its frames no longer, and less than a part in half a minute is nothing there.
const PART: usize = 16 * 1024;
/// The same of HTTP/1.1, where each part has a head of its own, and every byte that is taken is seen.
const PART_OF_HTTP1: usize = 64 * 1024;

/// Whether the other end takes what is sent.
#[derive(Debug)]
pub(super) struct Progress(AtomicU32);

/// What an answer carries until it is on its way.
#[derive(Debug, Clone)]
struct Carried(Arc<Held>);

/// A body that is being sent.
struct Sent {
    body: Body,
    /// Of the part that came last.
    rest: Bytes,
    part: usize,
    /// Over HTTP/2 a part is out of sight with the first byte that the other end takes of it. The last byte leaves alone, so that
    /// no more than that is given away before all of the others were taken.
    has_frames: bool,
    progress: Arc<Progress>,
    /// The connection is in use while it is sent.
    _busy: Arc<()>,
    _held: Option<Arc<Held>>,
}

/// Lets an answer hold this until it is sent.
pub(super) fn holding(mut answer: Answer, held: Held) -> Answer {
    answer.extensions_mut().insert(Carried(Arc::new(held)));
    answer
}

/// Puts an answer on its way.
pub(super) fn send(mut answer: Answer, version: Version, busy: Arc<()>) -> (Answer, Arc<Progress>) {
    let held = answer.extensions_mut().remove::<Carried>().map(|Carried(held)| held);
    let progress = Arc::new(Progress::default());
    let has_frames = version == Version::HTTP_2;
    let part = if has_frames { PART } else { PART_OF_HTTP1 };
    let ours = progress.clone();
    let sent = |body| Sent { body, rest: Bytes::new(), part, has_frames, progress: ours, _busy: busy, _held: held };
    let answer = answer.map(|body| sent(body).boxed_unsync());
    (answer, progress)
}

impl Default for Progress {
    /// Nothing was taken yet.
    fn default() -> Self {
        Self(AtomicU32::new(1))
    }
}

impl Progress {
    /// Another value whenever something happened; nothing while there is nothing to take.
    pub(super) fn untaken(&self) -> Option<u32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|count| count % 2 == 1)
    }

    /// Counts on; the body alone does so. Odd: a part was handed out, and the next was not asked for yet.
    fn note(&self, is_handed_out: bool) {
        let count = self.0.load(Ordering::Relaxed);
        self.0.store((count | 1).wrapping_add(if is_handed_out { 2 } else { 1 }), Ordering::Relaxed);
    }
}

impl hyper::body::Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            this.progress.note(false);
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        this.progress.note(true);
        let mut length = this.part.min(this.rest.len());
        if this.has_frames && length > 1 && length == this.rest.len() && this.body.is_end_stream() {
            length -= 1;
        }
        Poll::Ready(Some(Ok(Frame::data(this.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, inner) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(rest));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}
