//! A data directory and how a server is started on it.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::account::{self, Account};
use super::binaries::{self, Binaries};
use super::{Options, USER};
use crate::directory::Directory;
use crate::process::{Launch, Process, Signal};
use crate::{Cache, cache, python};

const SHUT_DOWN_DEADLINE: Duration = Duration::from_secs(10);

/// A data directory with its password and the programs that run on it.
#[derive(Debug)]
pub(super) struct Cluster {
    directory: Directory,
    account: Account,
    binaries: Binaries,
    password: String,
    fsync: bool,
}

impl Cluster {
    /// Opens the directory of the options, and makes the cluster when there is none in it.
    pub(super) fn open(options: &Options) -> Result<Self> {
        let account = Account::find()?;
        let binaries = match &options.binaries {
            Some(binaries) => binaries.clone(),
            None => binaries::binaries()?,
        };
        let kept = options.directory.as_deref().map(|directory| home(directory, account)).transpose()?;
        let directory = Directory::open(kept.as_deref(), "postgres")?;
        account.own(directory.path())?;
        let password = password(&directory.path().join("password"), account)?;
        let cluster = Self { directory, account, binaries, password, fsync: options.fsync };
        if !cluster.data().join("PG_VERSION").exists() {
            cluster.initialise()?;
        }
        Ok(cluster)
    }

    pub(super) fn password(&self) -> &str {
        &self.password
    }

    pub(super) fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// Starts the server. Clients come by TCP alone, so there is no socket whose path could be too long.
    pub(super) fn launch(&self, port: u16) -> Result<Process> {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data());
        for setting in [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            "max_connections=200".to_owned(),
            // Kept in the data directory, so that a kill leaves nothing in /dev/shm.
            "dynamic_shared_memory_type=mmap".to_owned(),
            format!("fsync={}", if self.fsync { "on" } else { "off" }),
            format!("full_page_writes={}", if self.fsync { "on" } else { "off" }),
        ] {
            command.args(["-c", &setting]);
        }
        let mut launch = Launch::new("postgres", command, self.directory.path().join("postgres.log"));
        launch.account = self.account.ids();
        // Its children leave the process group; they end when the server tells them to.
        launch.last_signal = Signal::QUIT;
        Process::start(launch)
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn initialise(&self) -> Result<()> {
        // What an interrupted attempt left is no cluster.
        cache::remove_if_there(&self.data())?;
        let mut initdb = self.command("initdb");
        initdb.arg("--pgdata").arg(self.data()).arg("--pwfile").arg(self.directory.path().join("password")).args([
            "--username",
            USER,
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
        ]);
        if !self.fsync {
            initdb.arg("--no-sync");
        }
        python::run(&mut initdb).with_context(|| format!("cannot make a database in {}", self.data().display()))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.program(program));
        self.account.apply(&mut command);
        command.current_dir(self.directory.path()).env("LC_ALL", "C").env("TZ", "UTC");
        command
    }
}

/// An immediate shutdown; what it does not end, the process's own drop kills.
pub(super) fn shut_down(process: &mut Process) {
    let start = Instant::now();
    if process.resume().and_then(|()| process.signal(Signal::QUIT)).is_err() {
        return;
    }
    while start.elapsed() < SHUT_DOWN_DEADLINE && process.exit().is_ok_and(|exit| exit.is_none()) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Removes the data that a server was told to keep in `directory`.
pub(super) fn forget(directory: &Path) -> Result<()> {
    cache::remove_if_there(&home(directory, Account::find()?)?)
}

/// `directory` itself, or its stand-in when the server's account cannot reach it: a checkout in root's home.
fn home(directory: &Path, account: Account) -> Result<PathBuf> {
    let absolute = std::path::absolute(directory).with_context(|| format!("{} is no path", directory.display()))?;
    if !account.is_other() || account::is_reachable(&absolute) {
        return Ok(absolute);
    }
    let digest = Sha256::digest(absolute.as_os_str().as_encoded_bytes());
    let name = hex(&digest[..8]);
    Ok(Cache::of_machine().root().join(format!("postgres-{name}")))
}

/// The password kept in `path`, made when there is none.
fn password(path: &Path, account: Account) -> Result<String> {
    if let Ok(kept) = fs::read_to_string(path) {
        return Ok(kept);
    }
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes)).context("cannot read /dev/urandom")?;
    let password = hex(&bytes);
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(password.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))?;
    account.own(path)?;
    Ok(password)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
