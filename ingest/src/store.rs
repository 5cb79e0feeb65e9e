//! What is written to `PostgreSQL`: the schema, its partitions, the lives of the stream and the messages.
//!
//! Replicas share the tables without knowing of each other: what must not be done twice at once is done under an advisory
//! lock, and rows are always written in the order of their keys, so that no two transactions wait for each other.

pub mod clock;
pub mod dead_letter;
pub mod epochs;
pub mod error;
pub mod insert;
pub mod migrate;
pub mod open;
pub mod partitions;
pub mod pool;
pub mod retry;
pub mod summary;
pub mod watermark;

pub use error::StoreError;

/// Keys of the advisory locks, apart from those of other programs in the same database.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lock {
    /// Changing the schema.
    Migrate = 0x6163_0001,
    /// Making or dropping partitions.
    Partitions = 0x6163_0002,
    /// Adding a life of the stream.
    Epochs = 0x6163_0003,
    /// Cutting ranges that are told as discarded.
    Discarded = 0x6163_0004,
    /// Being the place where copies are gathered.
    Copies = 0x6163_0005,
    /// Looking after the days that are kept.
    Retention = 0x6163_0006,
}

/// For a session that has a lock between its statements: the database ends it when nothing was said in it for so long. Others
/// wait for the lock, and would for as long as a replica hangs.
pub(crate) const NEVER_IDLE: &str = "SET idle_session_timeout = '5s'";

impl Lock {
    /// The key as `PostgreSQL` takes it.
    pub(crate) fn key(self) -> i64 {
        self as i64
    }
}
