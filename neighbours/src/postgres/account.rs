//! The account that runs `PostgreSQL`, which refuses to run as root.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow};

/// The user and group to become, none when this process is not root.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account(Option<(u32, u32)>);

impl Account {
    /// As root `postgres` where that user exists, else `nobody`.
    pub(super) fn find() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self(None));
        }
        let users = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let found = ["postgres", "nobody"].iter().find_map(|name| lookup(&users, name));
        found.map(|ids| Self(Some(ids))).ok_or_else(|| {
            anyhow!("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody to run it as")
        })
    }

    /// Whether it is another than this process's.
    pub(super) fn is_other(self) -> bool {
        self.0.is_some()
    }

    /// Its user and group, when it is another than this process's.
    pub(super) fn ids(self) -> Option<(u32, u32)> {
        self.0
    }

    /// Makes a command run as this account.
    pub(super) fn apply(self, command: &mut Command) {
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
    }

    /// Gives it a file or an empty directory.
    pub(super) fn own(self, path: &Path) -> Result<()> {
        match self.0 {
            Some((user, group)) => chown(path, Some(user), Some(group))
                .with_context(|| format!("cannot give {} to the account of PostgreSQL", path.display())),
            None => Ok(()),
        }
    }
}

/// Whether every user may pass through the directories above `path`, as far as they exist.
pub(super) fn is_reachable(path: &Path) -> bool {
    path.ancestors()
        .skip(1)
        .all(|directory| fs::metadata(directory).map_or(true, |metadata| metadata.permissions().mode() & 0o001 != 0))
}

fn lookup(users: &str, name: &str) -> Option<(u32, u32)> {
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
