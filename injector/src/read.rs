//! Reading from a cluster in which one may not read everything.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// An API server that takes longer for one answer has other troubles.
const REQUEST_TIME: Duration = Duration::from_secs(20);

/// What a request gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Read<T> {
    /// What was asked for.
    Found(T),
    /// There is no such object.
    Absent,
    /// Whoever asks may not know.
    Forbidden,
}

/// Waits for an answer. What is not there and what may not be read are no errors.
pub async fn read<T>(action: &str, request: impl Future<Output = kube::Result<T>>) -> Result<Read<T>> {
    let answer = tokio::time::timeout(REQUEST_TIME, request).await;
    match answer.with_context(|| format!("cannot {action}"))? {
        Ok(found) => Ok(Read::Found(found)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Read::Absent),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(Read::Forbidden),
        Err(error) => Err(error).with_context(|| format!("cannot {action}")),
    }
}
