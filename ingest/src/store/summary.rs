//! What is known of runs, their steps and their sources, from the messages that are new.

mod runs;
mod sources;
mod steps;

use deadpool_postgres::Transaction;

use crate::store::StoreError;
use crate::stored::StoredMessage;

/// Adds what these messages say. A message that nobody vouches for says nothing of a run.
pub(super) async fn add(transaction: &Transaction<'_>, new: &[&StoredMessage]) -> Result<(), StoreError> {
    let verified: Vec<&StoredMessage> = new.iter().copied().filter(|stored| stored.verified).collect();
    if verified.is_empty() {
        return Ok(());
    }
    runs::add(transaction, &verified).await?;
    steps::add(transaction, &verified).await?;
    sources::add(transaction, &verified).await
}

/// The namespace and the key of its run, as the tables hold them.
fn run_of(stored: &StoredMessage) -> (String, String) {
    let key = stored.message.run_key();
    (key.namespace.clone(), crate::read::runs::key_text(&key))
}
