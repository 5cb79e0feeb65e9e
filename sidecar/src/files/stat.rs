//! What is known of a file without reading it.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Statx, StatxFlags, makedev, statx};

use crate::checkpoint::FileIdentity;

/// What the file system says of a file.
#[derive(Debug, Clone, Copy)]
pub struct Stat {
    /// Which file it is.
    pub identity: FileIdentity,
    /// What changes when somebody writes.
    pub seen: Seen,
    /// Whether it is a regular file.
    pub is_file: bool,
    /// Whether no name leads to it any more.
    pub is_deleted: bool,
}

/// What changes when somebody writes. A hint: a change within one tick of the file system's clock that leaves the size as
/// it was cannot be seen here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Bytes it has.
    pub size: u64,
    /// When it was written, in nanoseconds since 1970.
    pub modified: i64,
}

impl Stat {
    /// Of the file that a path leads to, links followed.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::from(statx(CWD, path, AtFlags::empty(), wanted())?))
    }

    /// Of an open file.
    pub fn of(file: &File) -> io::Result<Self> {
        Ok(Self::from(statx(file, "", AtFlags::EMPTY_PATH, wanted())?))
    }
}

impl From<Statx> for Stat {
    fn from(told: Statx) -> Self {
        let has_birth = told.stx_mask & StatxFlags::BTIME.bits() != 0;
        let nanoseconds = |seconds: i64, rest: u32| seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(rest));
        Self {
            identity: FileIdentity {
                device: makedev(told.stx_dev_major, told.stx_dev_minor),
                inode: told.stx_ino,
                born: has_birth.then(|| nanoseconds(told.stx_btime.tv_sec, told.stx_btime.tv_nsec)),
            },
            seen: Seen { size: told.stx_size, modified: nanoseconds(told.stx_mtime.tv_sec, told.stx_mtime.tv_nsec) },
            is_file: FileType::from_raw_mode(told.stx_mode.into()) == FileType::RegularFile,
            is_deleted: told.stx_nlink == 0,
        }
    }
}

fn wanted() -> StatxFlags {
    StatxFlags::BASIC_STATS | StatxFlags::BTIME
}
