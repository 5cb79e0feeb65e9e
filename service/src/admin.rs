//! The admin port: `/livez`, `/readyz` and `/metrics`, apart from what users reach.
//!
//! Live means that the process can answer. Ready is decided by named conditions, so that an answer of 503 says which one
//! fails; a neighbour that is away makes us not ready, never dead, or its restart would restart us too.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::accept;

/// The content type of the text exposition format (`OpenMetrics` 1.0).
pub const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Connections at once; probes and scrapers need a few.
const MOST_CONNECTIONS: usize = 128;
/// How long a connection may take for the head of its next request; scrapers that come less often connect again.
const HEADER_TIME: Duration = Duration::from_secs(30);
/// The head of a request, in bytes.
const MOST_HEADER_BYTES: usize = 16 << 10;

/// Named conditions, all of which must hold for the process to be ready.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, Result<(), String>>>>);

impl Readiness {
    /// Says that a condition holds.
    pub fn hold(&self, condition: &'static str) {
        self.set(condition, Ok(()));
    }

    /// Says that a condition fails, and why.
    pub fn fail(&self, condition: &'static str, why: impl Into<String>) {
        self.set(condition, Err(why.into()));
    }

    /// Whether all conditions hold.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(Result::is_ok)
    }

    fn set(&self, condition: &'static str, state: Result<(), String>) {
        let before = self.lock().insert(condition, state.clone());
        if before.as_ref().is_none_or(|before| before.is_ok() != state.is_ok()) {
            match state {
                Ok(()) => tracing::info!(readiness.condition = condition, "condition holds"),
                Err(why) => tracing::info!(readiness.condition = condition, readiness.reason = why, "not ready"),
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Result<(), String>>> {
        // A panic elsewhere cannot leave a map of plain values half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self) -> (StatusCode, String) {
        let conditions = self.lock();
        let status = if conditions.values().all(Result::is_ok) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let lines = conditions.iter().map(|(condition, state)| match state {
            Ok(()) => format!("{condition}: ok\n"),
            Err(why) => format!("{condition}: {why}\n"),
        });
        let body: String = lines.collect();
        (status, if body.is_empty() { "ok\n".to_owned() } else { body })
    }
}

/// Binds a listener, naming the address when it is taken.
///
/// # Errors
/// When the address cannot be bound.
pub async fn bind(what: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on `{address}` for {what}; choose another address or stop what uses it"))
}

/// Serves the admin port until the token is cancelled. Any pod of the cluster may reach it: whoever keeps many connections
/// open keeps neither memory nor the kubelet's questions away from us, because the newest take the place of the oldest.
pub async fn serve(listener: TcpListener, readiness: Readiness, registry: Arc<Registry>, stop: CancellationToken) {
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let stream = tokio::select! {
            stream = accept::next(&listener) => stream,
            () = stop.cancelled() => return,
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() == MOST_CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let (readiness, registry, stop) = (readiness.clone(), registry.clone(), stop.clone());
        let connection = tokio::spawn(async move {
            let answer = service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&request, &readiness, &registry))));
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_buf_size(MOST_HEADER_BYTES);
            let connection = builder.serve_connection(TokioIo::new(stream), answer);
            tokio::select! {
                result = connection => if let Err(error) = result {
                    tracing::debug!(%error, "admin connection ended");
                },
                () = stop.cancelled() => {}
            }
        });
        open.push_back(connection.abort_handle());
    }
}

fn answer(request: &Request<hyper::body::Incoming>, readiness: &Readiness, registry: &Registry) -> Response<Full<Bytes>> {
    let (status, content_type, body) = match request.uri().path() {
        "/livez" => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
        "/readyz" => {
            let (status, body) = readiness.report();
            (status, "text/plain", body)
        }
        "/metrics" => {
            let (status, body) = metrics(registry);
            (status, METRICS_CONTENT_TYPE, body)
        }
        path => (StatusCode::NOT_FOUND, "text/plain", format!("`{path}` is not served here: /livez /readyz /metrics\n")),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    response
}

/// All metrics in the text exposition format.
#[must_use]
pub fn metrics(registry: &Registry) -> (StatusCode, String) {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, registry) {
        Ok(()) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("metrics cannot be written: {error}\n")),
    }
}

#[cfg(test)]
mod tests;
