//! Whether storing works, of several tasks that store: one that works must not hide another that does not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use service::admin::Readiness;

/// Readiness: whether batches can be written.
pub const STORE_CONDITION: &str = "postgres-store";

/// What hinders one task. Made from each other, they share what they tell.
#[derive(Debug)]
pub(super) struct Trouble {
    readiness: Readiness,
    all: Arc<Mutex<BTreeMap<usize, String>>>,
    task: usize,
}

impl Trouble {
    /// Of so many tasks.
    pub(super) fn of_tasks(readiness: &Readiness, tasks: usize) -> impl Iterator<Item = Self> {
        let all = Arc::new(Mutex::new(BTreeMap::new()));
        let readiness = readiness.clone();
        (0..tasks).map(move |task| Self { readiness: readiness.clone(), all: all.clone(), task })
    }

    /// This task cannot store what it holds.
    pub(super) fn tell(&self, why: String) {
        self.change(|all| {
            all.insert(self.task, why);
        });
    }

    /// This task has stored something.
    pub(super) fn is_over(&self) {
        self.change(|all| {
            all.remove(&self.task);
        });
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<usize, String>)) {
        // A panic elsewhere cannot leave a map of plain values half changed.
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut all);
        match all.values().next() {
            Some(why) => self.readiness.fail(STORE_CONDITION, why.clone()),
            None => self.readiness.hold(STORE_CONDITION),
        }
    }
}

#[cfg(test)]
mod tests;
