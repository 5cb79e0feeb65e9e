//! The webhook's server: TLS, HTTP/1.1 and HTTP/2 by ALPN, one path.
//!
//! Every review is answered `allowed: true`; what is no review gets a 4xx. Bodies and times are bounded, so that one bad client holds nobody.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use serde_json::Value;
use service::accept;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::events::Events;
use crate::metrics::{DecisionLabels, Metrics, RefusalLabels};
use crate::mutate::{self, Outcome};
use crate::options::Options;
use crate::owners::{self, Owners};
use crate::pod::{Owner, Pod};
use crate::policy::{self, Reason};
use crate::review::{self, Review};
use crate::runtime;

/// Where the API server sends reviews.
pub const PATH: &str = "/mutate";
/// An object of etcd's largest size, old and new, as JSON with escapes.
const MAX_BODY: usize = 7 << 20;
/// The API server gives up after its own time limit, 3 s as we install it; nobody waits for an answer later.
const BODY_TIME: Duration = Duration::from_secs(10);
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
const HEADER_TIME: Duration = Duration::from_secs(10);
/// The API server connects when it has a review, so a connection without one is not its.
const FIRST_REQUEST_TIME: Duration = Duration::from_secs(10);

/// A review takes some twenty times its size in memory while it is answered, so those that are large, and rare, are answered one
/// after the other, on however many processors.
const LARGE: usize = 256 << 10;
static TURN: Semaphore = Semaphore::const_new(1);

/// What the handler needs.
#[derive(Debug)]
pub struct Webhook {
    /// The platform's settings.
    pub options: Options,
    /// Metrics.
    pub metrics: Metrics,
    /// Owners of Jobs, where there is an API server to learn them from.
    pub owners: Option<Arc<Owners>>,
    /// Where to leave what owners of pods should see, if anywhere.
    pub events: Option<Events>,
}

impl Webhook {
    /// Answers one body. It waits for nothing but the owner of a Job, and for that not long.
    pub async fn answer(&self, body: &[u8]) -> (StatusCode, String) {
        let started = Instant::now();
        let review = match Review::parse(body) {
            Ok(review) => review,
            Err(error) => return self.refuse(StatusCode::BAD_REQUEST, "no_review", &error.to_string()),
        };
        let outcome = if review.is_pod_creation {
            let outer = self.outer(Pod(&review.object)).await;
            mutate::pod(&review.object, body.len(), &review.namespace, outer.as_deref(), &self.options)
        } else {
            mutate::skip(Reason::NotPod)
        };
        self.tell(&review, &outcome);
        if let Some(events) = &self.events {
            events.tell(&review, &outcome);
        }
        let answer = review::answer(&review.uid, &review.api_version, &outcome);
        self.metrics.review_seconds.observe(started.elapsed().as_secs_f64());
        (StatusCode::OK, answer)
    }

    async fn outer(&self, pod: Pod<'_>) -> Option<Arc<Owner>> {
        let owners = self.owners.as_ref()?;
        if policy::decide(pod, &self.options).is_err() {
            return None;
        }
        let job = runtime::awaited_job(pod, &self.options)?;
        owners.of_job(&job, owners::PATIENCE).await
    }

    fn tell(&self, review: &Review, outcome: &Outcome) {
        let (decision, reason) = (review::decision(outcome.reason), outcome.reason.code());
        let runtime = outcome.runtime.unwrap_or("none");
        let dry_run = if review.dry_run { "true" } else { "false" };
        self.metrics.decisions.get_or_create(&DecisionLabels { decision, reason, runtime, dry_run }).inc();
        for note in &outcome.notes {
            self.metrics.notes.get_or_create(&RefusalLabels { reason: note.code }).inc();
        }
        let (uid, namespace, pod) = (&review.uid, &review.namespace, review.pod_name());
        if let Some(fault) = &outcome.fault {
            tracing::error!(review.uid = uid, pod.namespace = namespace, pod.name = pod, %fault, "patch failed its own check, pod left alone");
            return;
        }
        tracing::info!(
            review.uid = uid,
            pod.namespace = namespace,
            pod.name = pod,
            runtime,
            decision,
            reason,
            dry_run,
            "reviewed"
        );
    }

    fn refuse(&self, status: StatusCode, reason: &'static str, words: &str) -> (StatusCode, String) {
        self.metrics.refusals.get_or_create(&RefusalLabels { reason }).inc();
        tracing::info!(refusal.reason = reason, refusal.error = words, "request refused");
        (status, Value::String(words.to_owned()).to_string())
    }

    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (status, body) = self.respond(request).await;
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }

    async fn respond(&self, request: Request<Incoming>) -> (StatusCode, String) {
        if request.uri().path() != PATH {
            return self.refuse(StatusCode::NOT_FOUND, "path", "reviews go to /mutate");
        }
        if request.method() != Method::POST {
            return self.refuse(StatusCode::METHOD_NOT_ALLOWED, "method", "reviews come by POST");
        }
        match tokio::time::timeout(BODY_TIME, Limited::new(request.into_body(), MAX_BODY).collect()).await {
            Ok(Ok(body)) => {
                let body = body.to_bytes();
                // Held to the end of the answer. The semaphore is never closed, and without a permit the answer is as good.
                let _turn = if body.len() > LARGE { TURN.acquire().await.ok() } else { None };
                self.answer(&body).await
            }
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                self.refuse(StatusCode::PAYLOAD_TOO_LARGE, "body_size", "the body has more than 7 MiB")
            }
            Ok(Err(error)) => self.refuse(StatusCode::BAD_REQUEST, "body_read", &error.to_string()),
            Err(_) => self.refuse(StatusCode::REQUEST_TIMEOUT, "body_time", "the body did not come within 10 s"),
        }
    }
}

/// Serves until `stop` is cancelled, then takes no new connection and ends those it has, at most for `drain`.
pub async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    webhook: Arc<Webhook>,
    stop: CancellationToken,
    drain: Duration,
) {
    let graceful = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            stream = accept::next(&listener) => stream,
            () = stop.cancelled() => break,
        };
        tokio::spawn(connection(stream, acceptor.clone(), webhook.clone(), graceful.watcher()));
    }
    drop(listener);
    if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were still open at the end of the drain");
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, webhook: Arc<Webhook>, watcher: Watcher) {
    let stream = match tokio::time::timeout(HANDSHAKE_TIME, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            webhook.metrics.handshake_failures.inc();
            tracing::debug!(%error, "tls handshake failed");
            return;
        }
        Err(_) => {
            webhook.metrics.handshake_failures.inc();
            return;
        }
    };
    let begun = CancellationToken::new();
    let service = {
        let begun = begun.clone();
        service_fn(move |request| {
            begun.cancel();
            webhook.clone().handle(request)
        })
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(250).keep_alive_interval(Some(Duration::from_secs(30)));
    let connection = watcher.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned());
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended");
            }
        }
        () = silence(&begun) => tracing::debug!("a connection without a request is closed"),
    }
}

/// Ends when no request has begun in time; once one has, it never does.
async fn silence(begun: &CancellationToken) {
    if tokio::time::timeout(FIRST_REQUEST_TIME, begun.cancelled()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}
