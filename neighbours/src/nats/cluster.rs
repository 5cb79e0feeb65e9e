//! Several NATS servers that are one `JetStream`: streams with replicas, leaders that move, servers that die and come back.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use async_nats::jetstream::{self, consumer, stream};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::config::{self, Member, ROUTE};
use super::{Credentials, Nats, Options, POLL};
use crate::certificates::Authority;
use crate::directory::Directory;
use crate::port;

/// How long an election, or catching up, may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(180);

/// A running cluster. It ends with this value.
#[derive(Debug)]
pub struct Cluster {
    servers: Vec<Nats>,
    _home: Directory,
}

impl Cluster {
    /// Starts so many servers, each with routes to all others, and waits until they have elected a leader. All show
    /// certificates of one authority. Options that are of one server alone, port and directory, are passed over.
    pub async fn start(size: usize, options: Options) -> Result<Self> {
        let home = Directory::temporary("nats-cluster")?;
        let routes = (0..size).map(|_| port::free()).collect::<Result<Vec<u16>>>()?;
        let authority = Authority::new()?;
        let starting = (0..size).map(|index| {
            let directory = home.path().join(format!("server-{index}"));
            let others = routes.iter().copied().filter(|port| *port != routes[index]).collect();
            let options = Options { port: None, directory: Some(directory.clone()), ..options.clone() };
            let member = Member { port: routes[index], others };
            let authority = &authority;
            async move {
                write_certificates(&directory, authority, &options.namespaces)?;
                Nats::start_as(options, Some(member)).await
            }
        });
        let servers = try_join_all(starting).await?;
        let cluster = Self { servers, _home: home };
        cluster.until_led().await?;
        Ok(cluster)
    }

    /// How many servers it has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.servers.len()
    }

    /// One of its servers.
    #[must_use]
    pub fn server(&self, index: usize) -> &Nats {
        &self.servers[index]
    }

    /// One of its servers, to be paused, resumed or looked at.
    pub fn server_mut(&mut self, index: usize) -> &mut Nats {
        &mut self.servers[index]
    }

    /// What the user `admin` connects with, to whichever server is there.
    #[must_use]
    pub fn admin(&self) -> Credentials {
        self.anywhere(self.servers[0].admin())
    }

    /// What ingest connects with, to whichever server is there.
    #[must_use]
    pub fn ingest(&self) -> Credentials {
        self.anywhere(self.servers[0].ingest())
    }

    /// What the sidecars of a namespace connect with, to whichever server is there.
    #[must_use]
    pub fn publisher(&self, namespace: &str) -> Credentials {
        self.anywhere(self.servers[0].publisher(namespace))
    }

    /// Ends a server as `kill -9` does. With more than half of them the others go on.
    pub fn kill(&mut self, index: usize) -> Result<()> {
        self.servers[index].kill()
    }

    /// Starts a server again, with the store that it had.
    pub async fn start_again(&mut self, index: usize) -> Result<()> {
        self.servers[index].start_again().await
    }

    /// Lets the leader of a stream give its place to another server, and waits until there is one.
    pub async fn step_down_stream(&self, stream: &str) -> Result<()> {
        self.step_down(&format!("STREAM.LEADER.STEPDOWN.{stream}")).await
    }

    /// Lets the leader of a consumer give its place to another server, and waits until there is one.
    pub async fn step_down_consumer(&self, stream: &str, consumer: &str) -> Result<()> {
        self.step_down(&format!("CONSUMER.LEADER.STEPDOWN.{stream}.{consumer}")).await
    }

    /// Waits until every copy of a stream and of one of its consumers is there and has all: another server may then end.
    pub async fn until_current(&self, stream: &str, consumer: &str) -> Result<()> {
        let start = Instant::now();
        let mut last = Ok(());
        while start.elapsed() < DEADLINE {
            last = self.check_current(stream, consumer).await;
            if last.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(POLL * 10).await;
        }
        last.with_context(|| format!("the servers of the cluster do not catch up; {}", self.logs()))
    }

    async fn check_current(&self, stream: &str, consumer: &str) -> Result<()> {
        let jetstream = jetstream::new(self.admin().connect().await?);
        let stream = jetstream.get_stream(stream).await?;
        let consumer: consumer::PullConsumer = stream.get_consumer(consumer).await.map_err(|error| anyhow::anyhow!(error))?;
        for cluster in [&stream.cached_info().cluster, &consumer.cached_info().cluster] {
            let cluster = cluster.as_ref().context("the server is in no cluster")?;
            is_current(cluster)?;
        }
        Ok(())
    }

    async fn step_down(&self, request: &str) -> Result<()> {
        let jetstream = jetstream::new(self.admin().connect().await?);
        let answer: Value = jetstream.request(request.to_owned(), &json!({})).await?;
        if answer["success"] != json!(true) {
            bail!("no leader stepped down: {answer}");
        }
        Ok(())
    }

    /// Waits until the cluster has a leader, and so takes requests that create something.
    async fn until_led(&self) -> Result<()> {
        let start = Instant::now();
        let jetstream = jetstream::new(self.admin().connect().await?);
        while let Err(error) = jetstream.query_account().await {
            if start.elapsed() > DEADLINE {
                return Err(error).with_context(|| format!("the cluster elects no leader; {}", self.logs()));
            }
            tokio::time::sleep(POLL * 10).await;
        }
        Ok(())
    }

    fn logs(&self) -> String {
        let logs = self.servers.iter().map(|server| format!("{}:\n{}", server.url(), server.process.log_tail()));
        format!("the ends of their logs:\n{}", logs.collect::<Vec<_>>().join("\n"))
    }

    fn anywhere(&self, credentials: Credentials) -> Credentials {
        let urls: Vec<String> = self.servers.iter().map(Nats::url).collect();
        Credentials { url: urls.join(","), ..credentials }
    }
}

fn is_current(cluster: &stream::ClusterInfo) -> Result<()> {
    if cluster.leader.as_ref().is_none_or(String::is_empty) {
        bail!("there is no leader");
    }
    match cluster.replicas.iter().find(|replica| replica.offline || !replica.current) {
        Some(replica) => bail!("{} lags behind", replica.name),
        None => Ok(()),
    }
}

fn write_certificates(directory: &Path, authority: &Authority, namespaces: &[String]) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    authority.server(&[])?.write(directory, "server")?;
    authority.peer()?.write(directory, ROUTE)?;
    for user in config::users(namespaces) {
        authority.client(&user)?.write(directory, &user)?;
    }
    authority.identity().write(directory, "ca")?;
    Ok(())
}
