//! Requests, and what can go wrong with one in words that say what to do.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::RootCertStore;
use serde_json::Value;

use super::server::Server;
use crate::args::client::ClientArgs;
use crate::terminal::visible;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take to begin.
const HEAD: Duration = Duration::from_secs(30);
/// The longest answer that is no stream.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Asks one server.
#[derive(Debug, Clone)]
pub struct Client {
    server: Server,
    token_file: Option<PathBuf>,
    http: legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The authorities cannot be used.
    #[error(transparent)]
    Tls(#[from] service::tls::TlsError),
    /// There are no authorities to trust.
    #[error("no certificate authority to trust was found on this system; give one with --ca")]
    NoAuthorities,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The server was not reached.
    #[error("cannot connect to {server}; check --server, and that the server runs{}", if server.starts_with("https") { " and --ca" } else { "" })]
    Connect {
        /// Its address.
        server: String,
        /// What the system says.
        #[source]
        source: legacy::Error,
    },
    /// The answer did not begin or broke off.
    #[error("no answer from {server}")]
    Broken {
        /// Its address.
        server: String,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file with the token cannot be read.
    #[error("cannot read the token from `{path}`; give a file that you may read with --token-file")]
    Token {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("`{0}` holds no token; it should be one line of printable characters")]
    NoToken(PathBuf),
    /// The server does not know who asks.
    #[error("{server} wants to know who asks: {}", if *given { "it does not take the token of --token-file, which may have ended; write a new one" } else { "give a token with --token-file" })]
    Unknown {
        /// Its address.
        server: String,
        /// Whether a token was sent.
        given: bool,
    },
    /// An id of runs in several namespaces.
    #[error("runs of several namespaces are known by `{id}`: {}; name one with --namespace", namespaces.join(", "))]
    Several {
        /// The id.
        id: String,
        /// The namespaces.
        namespaces: Vec<String>,
    },
    /// The server says no.
    #[error("{server} answered {status}: {detail}")]
    Refused {
        /// Its address.
        server: String,
        /// The status.
        status: StatusCode,
        /// Its own words.
        detail: String,
        /// When it wants to be asked again.
        after: Option<Duration>,
    },
    /// The answer is of something else.
    #[error(
        "{server} answered `{found}` where `{wanted}` was expected: it is no agent-comms, or a login page stands before it; check --server and --token-file"
    )]
    NotOurs {
        /// Its address.
        server: String,
        /// What came.
        found: String,
        /// What should have come.
        wanted: &'static str,
    },
}

impl AskError {
    /// Whether the same question may be answered later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Broken { .. } => true,
            Self::Refused { status, .. } => {
                status.is_server_error() || matches!(*status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
            }
            _ => false,
        }
    }

    /// How long the server wants to be left alone.
    #[must_use]
    pub fn after(&self) -> Option<Duration> {
        if let Self::Refused { after, .. } = self { *after } else { None }
    }

    /// Whether nothing is there by this name.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }
}

impl Client {
    /// Of these settings; nothing is reached yet.
    ///
    /// # Errors
    /// When there are no authorities to trust.
    pub fn new(args: &ClientArgs) -> Result<Self, ClientError> {
        let mut roots = RootCertStore::empty();
        match &args.ca {
            Some(path) => roots.add_parsable_certificates(service::tls::certificates(path)?),
            None if args.server.to_string().starts_with("https") => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)
            }
            None => (0, 0),
        };
        if roots.is_empty() && args.server.to_string().starts_with("https") {
            return Err(ClientError::NoAuthorities);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(service::tls::TlsError::Setup)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        // A kept connection may have died unseen, and a person would wait for that; a new one costs little.
        let http = legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { server: args.server.clone(), token_file: args.token_file.clone(), http })
    }

    /// The server that is asked.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// An answer that is JSON.
    ///
    /// # Errors
    /// When there is none.
    pub async fn json(&self, segments: &[&str], query: &[(&str, String)]) -> Result<Value, AskError> {
        let answer = self.ask(segments, query, "application/json", None).await?;
        let body = tokio::time::timeout(HEAD, Limited::new(answer.into_body(), LONGEST_ANSWER).collect()).await;
        let body = body.map_err(|error| self.broken(error))?.map_err(|source| self.broken(source))?;
        serde_json::from_slice(&body.to_bytes()).map_err(|source| self.broken(source))
    }

    /// An event stream, from a position on where one is given.
    ///
    /// # Errors
    /// When there is none.
    pub async fn events(&self, segments: &[&str], query: &[(&str, String)], after: &str) -> Result<Incoming, AskError> {
        let after = (!after.is_empty()).then_some(after);
        Ok(self.ask(segments, query, "text/event-stream", after).await?.into_body())
    }

    /// Something went wrong under way.
    pub(super) fn broken(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AskError {
        AskError::Broken { server: self.server.to_string(), source: source.into() }
    }

    async fn ask(
        &self,
        segments: &[&str],
        query: &[(&str, String)],
        wanted: &'static str,
        after: Option<&str>,
    ) -> Result<Response<Incoming>, AskError> {
        let mut request = Request::get(self.server.address(segments, query))
            .header(ACCEPT, wanted)
            .header(USER_AGENT, concat!("agent-comms-ingest/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(|source| self.broken(source))?;
        let token = self.token().await?;
        let given = token.is_some();
        if let Some(token) = token {
            request.headers_mut().insert(AUTHORIZATION, token);
        }
        if let Some(after) = after.and_then(|after| HeaderValue::from_str(after).ok()) {
            request.headers_mut().insert(HeaderName::from_static("last-event-id"), after);
        }
        let answer = tokio::time::timeout(HEAD, self.http.request(request)).await.map_err(|error| self.broken(error))?;
        let answer = answer.map_err(|source| {
            let server = self.server.to_string();
            if source.is_connect() { AskError::Connect { server, source } } else { self.broken(source) }
        })?;
        if answer.status() == StatusCode::OK && is_type(answer.headers(), wanted) {
            return Ok(answer);
        }
        Err(self.refusal(answer, wanted, given, segments.last().unwrap_or(&"")).await)
    }

    /// The token of the file, as it is now: what Kubernetes puts there changes every hour.
    async fn token(&self) -> Result<Option<HeaderValue>, AskError> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let text = tokio::fs::read_to_string(path).await;
        let text = text.map_err(|source| AskError::Token { path: path.clone(), source })?;
        let token = text.trim();
        let header = HeaderValue::from_str(&format!("Bearer {token}")).ok().filter(|_| !token.is_empty());
        let mut header = header.ok_or_else(|| AskError::NoToken(path.clone()))?;
        header.set_sensitive(true);
        Ok(Some(header))
    }

    async fn refusal(&self, answer: Response<Incoming>, wanted: &'static str, given: bool, id: &str) -> AskError {
        let server = self.server.to_string();
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED {
            return AskError::Unknown { server, given };
        }
        let header = |name: HeaderName| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        if status.is_success() || status.is_redirection() {
            let found = header(CONTENT_TYPE).unwrap_or_else(|| status.to_string());
            return AskError::NotOurs { server, found, wanted };
        }
        let after = header(RETRY_AFTER).and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let body = tokio::time::timeout(HEAD, Limited::new(answer.into_body(), LONGEST_ANSWER).collect()).await;
        let document: Value = match body {
            Ok(Ok(body)) => serde_json::from_slice(&body.to_bytes()).unwrap_or_default(),
            _ => Value::Null,
        };
        let namespaces = document["namespaces"].as_array().map(Vec::as_slice).unwrap_or_default();
        if status == StatusCode::CONFLICT && !namespaces.is_empty() {
            let namespaces = namespaces.iter().filter_map(Value::as_str).map(|name| visible::line(name).into_owned()).collect();
            return AskError::Several { id: visible::line(id).into_owned(), namespaces };
        }
        let detail = document["detail"].as_str().or(document["error"].as_str()).unwrap_or("it does not say why");
        let detail = visible::line(detail).into_owned();
        AskError::Refused { server, status, detail, after }
    }

    /// One run, by an id; nothing when none is known.
    ///
    /// # Errors
    /// When runs of several namespaces have the id, or there is no answer.
    pub async fn run(&self, id: &str, namespace: Option<&str>) -> Result<Option<Value>, AskError> {
        let query: Vec<_> = namespace.map(|namespace| ("namespace", namespace.to_owned())).into_iter().collect();
        match self.json(&["api", "agents", "runs", id], &query).await {
            Ok(run) => Ok(Some(run)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn is_type(headers: &HeaderMap, wanted: &str) -> bool {
    let found = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = found.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(wanted)
}
