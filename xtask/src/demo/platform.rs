//! What a platform team runs: NATS, PostgreSQL and ingest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use neighbours::nats::{self, Credentials};
use neighbours::{Nats, Postgres, certificates, postgres};

use super::environment::{Places, shell_file};
use super::ingest::Ingest;
use super::pod::Pod;
use super::{Arguments, story};
use crate::stage::Stages;

const DATABASE: &str = "agent_comms";

/// The running platform; everything in it ends with it.
pub struct Platform {
    ingest: Ingest,
    nats: Nats,
    postgres: Postgres,
    database_url: String,
    places: Places,
}

impl Platform {
    /// Starts everything, one stage each.
    pub async fn start(places: Places, arguments: &Arguments, stages: &mut Stages) -> Result<Self> {
        let port = |port: u16| (port != 0).then_some(port);
        let options = nats::Options {
            namespaces: vec![story::NAMESPACE.to_owned()],
            port: port(arguments.nats_port),
            directory: Some(places.home.join("nats")),
            ..nats::Options::default()
        };
        let nats = stages.run("NATS runs", |_| None, Nats::start(options)).await?;
        let options = postgres::Options {
            port: port(arguments.postgres_port),
            directory: Some(places.home.join("postgres")),
            fsync: true,
            binaries: None,
        };
        let postgres = stages.run("PostgreSQL runs", |_| None, Postgres::start(options)).await?;
        if !postgres.has_database(DATABASE).await? {
            postgres.create_database(DATABASE).await?;
        }
        let database_url = postgres.url(DATABASE);
        let (admin, reader) = (nats.admin(), nats.ingest());
        let work = set_up(&places, &admin);
        stages.run("stream and consumer are there", |()| None, work).await?;
        let work = Ingest::start(&places, &reader, &database_url, (arguments.port, arguments.admin_port));
        let ingest = stages.run("ingest serves", |_| None, work).await?;
        Ok(Self { ingest, nats, postgres, database_url, places })
    }

    /// `127.0.0.1:PORT` of pages and API.
    pub fn api(&self) -> &str {
        self.ingest.api()
    }

    /// The base of every URL.
    pub fn base(&self) -> String {
        format!("http://{}", self.api())
    }

    /// The demo's folders.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// What a sidecar connects with.
    pub fn publisher(&self) -> Credentials {
        self.nats.publisher(story::NAMESPACE)
    }

    /// A connection to the database.
    pub async fn database(&self) -> Result<tokio_postgres::Client> {
        self.postgres.connect(DATABASE).await
    }

    /// The file for people's own clients.
    pub fn environment_file(&self) -> PathBuf {
        self.places.home.join("env")
    }

    /// Writes the file for people's own clients; the socket without a name is that of the last pod.
    pub fn write_environment<'a>(&self, pods: impl Iterator<Item = &'a Pod>) -> Result<()> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let publisher = self.publisher();
        let mut variables = vec![
            ("AGENT_COMMS_URL".to_owned(), self.base()),
            ("AGENT_COMMS_ADMIN_URL".to_owned(), format!("http://{}", self.ingest.admin())),
            ("NATS_URL".to_owned(), self.nats.url()),
            ("NATS_CA".to_owned(), text(&self.nats.ca())),
            ("NATS_INBOX_PREFIX".to_owned(), publisher.inbox_prefix.clone()),
            ("DATABASE_URL".to_owned(), self.database_url.clone()),
        ];
        for (user, credentials) in [("PUBLISHER", publisher), ("INGEST", self.nats.ingest()), ("ADMIN", self.nats.admin())] {
            variables.push((format!("NATS_{user}_CERT"), text(&credentials.files.certificate)));
            variables.push((format!("NATS_{user}_KEY"), text(&credentials.files.key)));
        }
        for pod in pods {
            variables.extend(pod.variables());
        }
        let path = self.environment_file();
        let whole = path.with_extension("new");
        // The database's password is in it.
        certificates::write_private(&whole, &shell_file(&variables)?)?;
        fs::rename(&whole, &path).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Stops everything in order.
    pub async fn stop(self) -> Result<()> {
        let Self { ingest, mut nats, mut postgres, .. } = self;
        ingest.stop().await?;
        nats.stop().await?;
        postgres.stop().await
    }
}

/// Arguments that connect one of our programs to NATS.
pub fn nats_arguments(credentials: &Credentials) -> Vec<String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let pairs = [
        ("--nats-url", credentials.url.clone()),
        ("--nats-ca", text(&credentials.ca)),
        ("--nats-cert", text(&credentials.files.certificate)),
        ("--nats-key", text(&credentials.files.key)),
        ("--nats-inbox-prefix", credentials.inbox_prefix.clone()),
    ];
    pairs.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
}

/// Creates stream and consumer from the cluster's own definition.
async fn set_up(places: &Places, admin: &Credentials) -> Result<()> {
    let mut command = tokio::process::Command::from(Command::new(places.program("agent-comms-ingest")));
    command.arg("setup").args(nats_arguments(admin)).kill_on_drop(true);
    let output = command.output().await.context("cannot run agent-comms-ingest setup")?;
    if !output.status.success() {
        bail!("agent-comms-ingest setup failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
