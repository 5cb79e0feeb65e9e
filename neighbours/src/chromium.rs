//! A `chromedriver` with a headless Chromium behind it.

mod fonts;
mod install;
#[cfg(test)]
mod tests;

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::directory::Directory;
use crate::port;
use crate::process::{Launch, Process};
use install::Installation;

const START_DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// Pages must render the same everywhere, and a browser under test has no business with the network.
const FLAGS: [&str; 12] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
];

/// A running `chromedriver`. It ends with this value, and the browsers it started end with it.
#[derive(Debug)]
pub struct Chromium {
    process: Process,
    port: u16,
    directory: Directory,
}

impl Chromium {
    /// Fetches both programs if need be, starts the driver and waits until it takes sessions.
    pub async fn start() -> Result<Self> {
        let (installation, fonts) = tokio::task::spawn_blocking(|| anyhow::Ok((install::find()?, fonts::find()?))).await??;
        Self::start_with(&installation, &fonts).await
    }

    /// The address of the `WebDriver` service.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The driver's process; the browsers are among its descendants.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The capabilities with which a session must be asked for. Each session has a fresh profile.
    #[must_use]
    pub fn capabilities(&self) -> Map<String, Value> {
        let options = json!({ "binary": wrapper(self.directory.path()), "args": FLAGS });
        Map::from_iter([("browserName".to_owned(), json!("chrome")), ("goog:chromeOptions".to_owned(), options)])
    }

    async fn start_with(installation: &Installation, fonts: &Path) -> Result<Self> {
        let directory = Directory::open(None, "chromium")?;
        let port = port::free()?;
        write_wrapper(directory.path(), installation, fonts)?;
        let mut command = Command::new(&installation.driver);
        command.arg(format!("--port={port}"));
        // Profiles and caches go with the directory.
        command.env("TMPDIR", directory.path()).env("HOME", directory.path()).current_dir(directory.path());
        if let Some(libraries) = installation.library_path() {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let process = Process::start(Launch::new("chromedriver", command, directory.path().join("chromedriver.log")))?;
        let mut chromium = Self { process, port, directory };
        chromium.wait_until_ready().await?;
        Ok(chromium)
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            self.process.check_running()?;
            let Err(error) = status(self.port).await else {
                return Ok(());
            };
            if start.elapsed() > START_DEADLINE {
                bail!("chromedriver takes no sessions: {error:#}; the end of its log:\n{}", self.process.log_tail());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Programs that were installed or fetched are ready to be started; what is missing is fetched.
pub fn fetch() -> Result<()> {
    install::find()?;
    fonts::find().map(drop)
}

fn wrapper(directory: &Path) -> PathBuf {
    directory.join("chromium")
}

/// The driver starts the browser in a process group of its own, so the browser is told to end with the driver.
fn write_wrapper(directory: &Path, installation: &Installation, fonts: &Path) -> Result<()> {
    let mut script = String::from("#!/bin/sh\n");
    if let Some(libraries) = installation.library_path() {
        writeln!(script, "export LD_LIBRARY_PATH={}", quoted(libraries.as_ref())?)?;
    }
    let config = directory.join("fonts.conf");
    fs::write(&config, fonts::configuration(fonts, &directory.join("font-cache")))?;
    writeln!(script, "export FONTCONFIG_FILE={}", quoted(&config)?)?;
    let browser = quoted(&installation.browser)?;
    writeln!(script, "if command -v setpriv >/dev/null; then exec setpriv --pdeathsig KILL {browser} \"$@\"; fi")?;
    writeln!(script, "exec {browser} \"$@\"")?;
    let path = wrapper(directory);
    fs::write(&path, script)
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn quoted(path: &Path) -> Result<String> {
    let path = path.to_str().with_context(|| format!("{} is no path for a shell", path.display()))?;
    Ok(format!("'{}'", path.replace('\'', r"'\''")))
}

/// Asks the driver whether it is ready for a session.
async fn status(port: u16) -> Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let request = format!("GET /status HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = vec![0; 4096];
    let length = tokio::time::timeout(START_DEADLINE, stream.read(&mut answer)).await??;
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    if !answer.contains("\"ready\":true") {
        bail!("it answers {answer:?}");
    }
    Ok(())
}

/// The directories of PATH.
fn path_directories() -> Vec<PathBuf> {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect()
}
