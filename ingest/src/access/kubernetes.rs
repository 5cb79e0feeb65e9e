//! What the API server says: whose a token is, and what somebody may read.
//!
//! Rights are given on resources that exist in roles alone, in the group `agent-comms.dev`: `agentmessages` of a namespace,
//! the cluster-wide `agentchannels` with the name of the channel, and the cluster-wide `deadletters`. The verb is `get`.
//!
//! An answer is kept for as long as the settings say, a refusal too; an error never. Whoever asks what is being asked already
//! waits for that answer.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{Api, PostParams};
use moka::future::Cache;

use super::Unavailable;
use super::metrics::{AccessMetrics, ReviewLabels};
use super::token::Token;
use super::user::User;

/// The group of the resources that rights are given on.
pub const GROUP: &str = "agent-comms.dev";
/// The one verb: everything here is read.
pub const VERB: &str = "get";
/// How long the API server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Answers kept: 10,000 users, or some thousand users in some namespaces each, at less than 1 KiB an answer.
const KEPT: u64 = 10_000;

/// What somebody wants to read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The messages of a namespace; of all of them where it is empty.
    Namespace(String),
    /// The channel that all runs share.
    General,
    /// What could not be read.
    DeadLetters,
}

/// Asks the API server.
#[derive(Debug)]
pub struct Reviews {
    client: Client,
    audiences: Vec<String>,
    users: Cache<[u8; 32], Option<Arc<User>>>,
    permissions: Cache<([u8; 32], Subject), bool>,
    metrics: AccessMetrics,
}

/// A client whose inside is nobody's business.
struct Client(kube::Client);

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Client")
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum ReviewError {
    #[error("the api server refuses to be asked; bind the ClusterRole `system:auth-delegator` to this service account")]
    Forbidden(#[source] kube::Error),
    #[error("the api server does not answer")]
    Failed(#[source] kube::Error),
    #[error("the api server did not answer within 5 s")]
    Late,
}

impl Reviews {
    /// Reviews by this API server, of tokens for one of these audiences, each answer kept for so long.
    #[must_use]
    pub fn new(client: kube::Client, audiences: Vec<String>, kept_for: Duration, metrics: AccessMetrics) -> Self {
        Self {
            client: Client(client),
            audiences,
            users: Cache::builder().max_capacity(KEPT).time_to_live(kept_for).build(),
            permissions: Cache::builder().max_capacity(KEPT).time_to_live(kept_for).build(),
            metrics,
        }
    }

    /// Whose token this is; nobody's where the API server does not take it.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn user(&self, token: &Token) -> Result<Option<Arc<User>>, Unavailable> {
        let found = self.users.try_get_with(token.digest(), async {
            let asked = self.review_token(token).await;
            self.count("token", asked.as_ref().map(Option::is_some));
            asked.map(|user| user.map(Arc::new))
        });
        found.await.map_err(|error| unavailable(&error))
    }

    /// Whether somebody may read something.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn permits(&self, user: &User, subject: Subject) -> Result<bool, Unavailable> {
        let key = (user.digest(), subject.clone());
        let found = self.permissions.try_get_with(key, async {
            let asked = self.review_permission(user, subject).await;
            self.count("permission", asked.as_ref().copied());
            asked
        });
        found.await.map_err(|error| unavailable(&error))
    }

    fn count(&self, review: &'static str, result: Result<bool, &ReviewError>) {
        let result = match result {
            Ok(true) => "allowed",
            Ok(false) => "denied",
            Err(_) => "error",
        };
        self.metrics.reviews.get_or_create(&ReviewLabels { review, result }).inc();
    }

    async fn review_token(&self, token: &Token) -> Result<Option<User>, ReviewError> {
        let audiences = Some(self.audiences.clone()).filter(|audiences| !audiences.is_empty());
        let spec = TokenReviewSpec { token: token.text().to_owned(), audiences };
        let review = TokenReview { spec, ..TokenReview::default() };
        let reviews = Api::<TokenReview>::all(self.client.0.clone());
        let status = in_time(reviews.create(&PostParams::default(), &review)).await?.status.unwrap_or_default();
        // A server that knows nothing of audiences takes a token made for anybody: it must say for whom this one is.
        let answered = status.audiences.unwrap_or_default();
        let is_for_us = self.audiences.is_empty() || answered.iter().any(|audience| self.audiences.contains(audience));
        if status.authenticated != Some(true) || !is_for_us {
            return Ok(None);
        }
        let user = status.user.unwrap_or_default();
        Ok(User::new(
            user.username.unwrap_or_default(),
            user.uid.unwrap_or_default(),
            user.groups.unwrap_or_default(),
            user.extra.unwrap_or_default(),
        ))
    }

    async fn review_permission(&self, user: &User, subject: Subject) -> Result<bool, ReviewError> {
        let (resource, name, namespace) = match subject {
            Subject::Namespace(namespace) => ("agentmessages", None, Some(namespace)),
            Subject::General => ("agentchannels", Some(message::GENERAL_CHANNEL.to_owned()), None),
            Subject::DeadLetters => ("deadletters", None, None),
        };
        let attributes = ResourceAttributes {
            group: Some(GROUP.to_owned()),
            resource: Some(resource.to_owned()),
            verb: Some(VERB.to_owned()),
            name,
            namespace,
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: Some(user.name.clone()),
            uid: Some(user.uid.clone()).filter(|uid| !uid.is_empty()),
            groups: Some(user.groups.clone()),
            extra: Some(user.extra.clone()).filter(|extra| !extra.is_empty()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let reviews = Api::<SubjectAccessReview>::all(self.client.0.clone());
        let status = in_time(reviews.create(&PostParams::default(), &review)).await?.status;
        Ok(status.is_some_and(|status| status.allowed && status.denied != Some(true)))
    }
}

async fn in_time<T>(asked: impl Future<Output = kube::Result<T>>) -> Result<T, ReviewError> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) if status.code == 403 => Err(ReviewError::Forbidden(kube::Error::Api(status))),
        Ok(Err(error)) => Err(ReviewError::Failed(error)),
        Err(_) => Err(ReviewError::Late),
    }
}

fn unavailable(error: &Arc<ReviewError>) -> Unavailable {
    tracing::warn!(error = &**error as &dyn std::error::Error, "cannot find out who may read what");
    Unavailable
}
