//! The two servers that are compared, each with a stream of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use neighbours::nats::Credentials;

use super::super::commanded::Commanded;
use super::super::ground::Ground;
use super::super::messages;
use super::super::place::{self, Place, Replica};
use super::super::program;
use super::super::report::Row;

/// What both need.
pub struct Servers {
    place: Place,
    ground: Ground,
}

/// The one that is measured now.
pub enum Server {
    Ingest(Replica),
    Bare(BareSse),
}

/// Hyper, and frames.
pub struct BareSse {
    program: Commanded,
    address: String,
    frames: PathBuf,
    count: usize,
}

/// The event stream of the run, from a position on.
pub fn path(epoch: i64, sequence: u64) -> String {
    format!("/api/agents/events?workflowUid={}&after={epoch}.{sequence}", messages::uid(0))
}

impl Servers {
    pub async fn start() -> Result<Self> {
        Ok(Self { place: Place::start().await?, ground: Ground::start().await? })
    }

    /// A file of this measurement.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.directory.path().join(name)
    }

    pub async fn ingest(&self) -> Result<Server> {
        let mut replica = self.place.ingest().await?;
        self.place.acknowledged(&mut replica).await?;
        Ok(Server::Ingest(replica))
    }

    pub async fn bare(&self, frames: &Path) -> Result<Server> {
        self.ground.new_stream().await?;
        BareSse::start(&self.ground, frames).map(Server::Bare)
    }
}

impl Server {
    pub fn id(&self) -> u32 {
        match self {
            Self::Ingest(replica) => replica.id(),
            Self::Bare(bare) => bare.program.id(),
        }
    }

    pub fn address(&self) -> &str {
        match self {
            Self::Ingest(replica) => &replica.api,
            Self::Bare(bare) => &bare.address,
        }
    }

    /// What publishers connect with.
    pub fn publisher(&self, servers: &Servers) -> Credentials {
        match self {
            Self::Ingest(_) => servers.place.publisher(),
            Self::Bare(_) => servers.ground.publisher(),
        }
    }

    /// Notes what it did.
    pub fn tell(&self, row: &mut Row, value: f64) {
        match self {
            Self::Ingest(_) => row.value(value),
            Self::Bare(_) => row.bare(value),
        }
    }

    /// An event stream that begins with the next message.
    pub async fn live_path(&mut self, servers: &mut Servers) -> Result<String> {
        match self {
            Self::Ingest(_) => Ok(path(1, servers.place.last_sequence().await?)),
            Self::Bare(bare) => {
                servers.ground.new_stream().await?;
                bare.program.ask("rewind", "rewound")?;
                Ok("/".to_owned())
            }
        }
    }

    /// An event stream, and the position of a viewer who missed so many messages.
    pub async fn missed(&mut self, servers: &Servers, count: usize) -> Result<(String, String)> {
        match self {
            Self::Ingest(_) => {
                let last = servers.place.last_sequence().await?;
                Ok((path(1, last), format!("1.{}", last - count as u64)))
            }
            Self::Bare(bare) => {
                bare.program.ask("forward", "forwarded")?;
                Ok(("/".to_owned(), (bare.count - count).to_string()))
            }
        }
    }

    /// Waits until everything that was published is stored: that must not disturb what comes next.
    pub async fn settle(&mut self, servers: &Servers) -> Result<()> {
        match self {
            Self::Ingest(replica) => servers.place.acknowledged(replica).await.map(drop),
            Self::Bare(_) => Ok(()),
        }
    }

    /// Ends it and starts it again.
    pub async fn start_anew(&mut self, servers: &mut Servers) -> Result<()> {
        let anew = match self {
            Self::Ingest(_) => servers.ingest().await?,
            Self::Bare(bare) => Self::Bare(BareSse::start(&servers.ground, &bare.frames)?),
        };
        std::mem::replace(self, anew).stop().await
    }

    pub async fn stop(self) -> Result<()> {
        match self {
            Self::Ingest(replica) => replica.stop().await,
            Self::Bare(bare) => bare.program.end().map(drop),
        }
    }
}

impl BareSse {
    fn start(ground: &Ground, frames: &Path) -> Result<Self> {
        let mut command = Command::new(program("bare-sse")?);
        command.args(place::words(&ground.admin()));
        let mut program = Commanded::start(command)?;
        let address = program.expect("connected")?;
        let count = program.ask(&format!("load {}", frames.display()), "loaded")?;
        let count = count.parse().context("the bare server does not tell how many frames it has")?;
        Ok(Self { program, address, frames: frames.to_owned(), count })
    }
}
