//! Somebody who reads, and what of it they may.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::Unavailable;
use super::guard::Guard;
use super::kubernetes::Subject;
use super::token::Token;
use super::user::User;

/// Questions to the API server at once, for one list.
const AT_ONCE: usize = 8;
/// What a proxy says holds for one request; a stream is asked for again after this time, and the proxy with it.
const LONGEST_BY_PROXY: Duration = Duration::from_secs(3_600);
/// How long a proof that cannot be checked again keeps its stream open, and how often that is tried.
const GRACE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(2);

/// Who reads. Clones are the same.
#[derive(Debug, Clone)]
pub struct Viewer(Option<Known>);

#[derive(Debug, Clone)]
struct Known {
    guard: Arc<Guard>,
    user: Arc<User>,
    proof: Proof,
}

/// What somebody is known by.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    /// A program shows it.
    Token(Token),
    /// A browser keeps it.
    Cookie(Token),
    Proxy,
}

impl Viewer {
    /// Anybody, of an open server.
    #[must_use]
    pub fn open() -> Self {
        Self(None)
    }

    pub(super) fn known(guard: Arc<Guard>, user: Arc<User>, proof: Proof) -> Self {
        Self(Some(Known { guard, user, proof }))
    }

    /// What tells viewers apart; nothing of an open server's.
    #[must_use]
    pub fn id(&self) -> Option<[u8; 32]> {
        // Not by what else a token says: each token of one user would be another viewer.
        let known = self.0.as_ref()?;
        Some(User::new(known.user.name.clone(), known.user.uid.clone(), Vec::new(), std::collections::BTreeMap::new())?.digest())
    }

    /// What they are called, so that somebody can give them rights; nothing of an open server's.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.as_ref().map(|known| known.user.name.as_str())
    }

    /// What tells viewers of other rights apart, for a page; nothing of an open server's. It cannot be traced back to a name that
    /// nobody guesses.
    #[must_use]
    pub fn rights(&self) -> Option<String> {
        let digest = self.0.as_ref()?.user.digest();
        digest.first_chunk().map(|start| format!("{:016x}", u64::from_be_bytes(*start)))
    }

    /// Whether everything may be read because nobody is asked who they are.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Whether it is somebody who signed in here, and may sign out.
    #[must_use]
    pub fn is_signed_in(&self) -> bool {
        matches!(&self.0, Some(Known { proof: Proof::Cookie(_), .. }))
    }

    /// Whether the messages of a namespace may be read.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn may_read(&self, namespace: &str) -> Result<bool, Unavailable> {
        self.permits(|| Subject::Namespace(namespace.to_owned())).await
    }

    /// Whether the messages of every namespace may be read, also of those that come later.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn may_read_all(&self) -> Result<bool, Unavailable> {
        self.permits(|| Subject::Namespace(String::new())).await
    }

    /// Whether the channel that all runs share may be read, whatever namespace speaks there.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn may_read_general(&self) -> Result<bool, Unavailable> {
        self.permits(|| Subject::General).await
    }

    /// Whether messages that could not be read may be looked at, of whatever namespace they are.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn may_read_dead_letters(&self) -> Result<bool, Unavailable> {
        self.permits(|| Subject::DeadLetters).await
    }

    /// Those of some namespaces whose messages may be read, in the same order.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn readable(&self, namespaces: Vec<String>) -> Result<Vec<String>, Unavailable> {
        if self.is_open() {
            return Ok(namespaces);
        }
        let asked = stream::iter(namespaces).map(|namespace| async move {
            let may = self.may_read(&namespace).await?;
            Ok(may.then_some(namespace))
        });
        asked.buffered(AT_ONCE).try_filter_map(async |namespace| Ok(namespace)).try_collect().await
    }

    async fn permits(&self, subject: impl FnOnce() -> Subject) -> Result<bool, Unavailable> {
        match &self.0 {
            None => Ok(true),
            // Apart, so that an open stream takes no room for the question while it asks none.
            Some(known) => Box::pin(known.guard.permits(&known.user, subject())).await,
        }
    }

    /// Waits until this viewer is no longer known: the token has ended, was revoked, or is another user's; or it could not be
    /// checked again for some time.
    pub async fn gone(&self) {
        match &self.0 {
            None => std::future::pending().await,
            Some(Known { proof: Proof::Proxy, .. }) => tokio::time::sleep(LONGEST_BY_PROXY).await,
            Some(Known { guard, user, proof: Proof::Token(token) | Proof::Cookie(token) }) => {
                let until = |end: SystemTime| end.duration_since(SystemTime::now()).unwrap_or_default();
                loop {
                    let pause = token.expires().map_or(guard.kept_for(), |end| guard.kept_for().min(until(end)));
                    tokio::time::sleep(pause).await;
                    if !Box::pin(still_known(guard, user, token)).await {
                        return;
                    }
                }
            }
        }
    }
}

async fn still_known(guard: &Guard, user: &User, token: &Token) -> bool {
    let asked = async {
        loop {
            match guard.user(token).await {
                Ok(found) => return found.is_some_and(|found| *found == *user),
                Err(Unavailable) => tokio::time::sleep(RETRY).await,
            }
        }
    };
    tokio::time::timeout(GRACE, asked).await.unwrap_or(false)
}
