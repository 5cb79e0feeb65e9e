//! A Kubernetes API server with its etcd.
//!
//! There are no controllers and no kubelet. A pod that is created is reviewed by webhooks, defaulted, checked by Pod
//! Security, quotas and limit ranges, and stored; nothing makes service accounts or the status of a quota, and nothing
//! runs. A webhook is reached by a URL.

mod access;
mod programs;
#[cfg(test)]
mod tests;
mod token;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use tokio::sync::OnceCell;

use crate::certificates::{Authority, write_private};
use crate::directory::Directory;
use crate::port;
use crate::process::{Launch, Process, Signal};

use access::Proof;

pub use access::Access;
pub use programs::{Programs, programs};
pub use token::TokenOf;

/// An API server starts in 5 s on a quiet machine with two cores.
const START_DEADLINE: Duration = Duration::from_secs(180);
const STOP_GRACE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// The group that may do everything.
const ADMINS: &str = "system:masters";

/// A running API server. It ends with this value.
pub struct Kubernetes {
    api_server: Process,
    etcd: Process,
    programs: Programs,
    port: u16,
    etcd_port: u16,
    authority: Authority,
    admin: Access,
    users: AtomicUsize,
    directory: Directory,
}

impl Kubernetes {
    /// Starts etcd and an API server and waits until it is ready.
    pub async fn start() -> Result<Self> {
        let programs = tokio::task::spawn_blocking(programs).await??;
        let directory = Directory::temporary("kubernetes")?;
        let (port, etcd_port) = (port::free()?, port::free()?);
        let authority = Authority::new()?;
        write_certificates(directory.path(), &authority)?;
        let files = authority.member("admin", ADMINS)?.write(directory.path(), "admin")?;
        let admin = access(directory.path(), "admin", port, Proof::Certificate(files))?;
        let etcd = launch_etcd(&programs, directory.path(), etcd_port)?;
        let api_server = launch_api_server(&programs, directory.path(), port, etcd_port)?;
        let users = AtomicUsize::new(0);
        let mut kubernetes = Self { api_server, etcd, programs, port, etcd_port, authority, admin, users, directory };
        kubernetes.wait_until_ready().await?;
        Ok(kubernetes)
    }

    /// The server that the tests of one binary share, each in namespaces of its own. It ends with the process.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Kubernetes> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// The authority's certificate, a PEM file.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// Who may do everything.
    #[must_use]
    pub fn admin(&self) -> &Access {
        &self.admin
    }

    /// A user of this name in this group, known by a client certificate. It may do what roles are bound to either.
    pub fn user(&self, name: &str, group: &str) -> Result<Access> {
        let identity = self.authority.member(name, group)?;
        let file = self.next_file();
        let files = identity.write(self.directory.path(), &file)?;
        self.access(&file, Proof::Certificate(files))
    }

    /// A service account that exists, known by a token of one hour, as a pod that runs under it is.
    pub async fn service_account(&self, namespace: &str, name: &str) -> Result<Access> {
        let accounts = Api::<ServiceAccount>::namespaced(self.admin.client().await?, namespace);
        let answer = accounts.create_token_request(name, &PostParams::default(), &TokenRequest::default()).await;
        let answer = answer.with_context(|| format!("cannot get a token of the service account {namespace}/{name}"))?;
        let token = answer.status.and_then(|status| status.token).context("the API server sent no token")?;
        self.access(&self.next_file(), Proof::Token(token))
    }

    /// A token of a service account that exists, which may end in seconds: the API server itself gives none that ends within ten
    /// minutes, and takes one for another minute after its end.
    pub fn token(&self, of: &TokenOf<'_>) -> Result<String> {
        token::sign(&self.directory.path().join("tokens.key"), of)
    }

    /// `http://127.0.0.1:PORT` of etcd, which has no access control.
    #[must_use]
    pub fn etcd_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.etcd_port)
    }

    /// The API server's process, to be paused, resumed or looked at.
    pub fn api_server(&mut self) -> &mut Process {
        &mut self.api_server
    }

    /// Ends the API server in order; etcd goes on.
    pub async fn stop(&mut self) -> Result<()> {
        self.api_server.stop(Signal::TERM, STOP_GRACE).await.map(drop)
    }

    /// Ends the API server as `kill -9` does; etcd goes on.
    pub fn kill(&mut self) -> Result<()> {
        self.api_server.kill()
    }

    /// Starts the API server again after [`Self::stop`] or [`Self::kill`], on the same port with the same data.
    pub async fn start_again(&mut self) -> Result<()> {
        if self.api_server.exit()?.is_none() {
            bail!("the API server on port {} still runs: stop it first", self.port);
        }
        self.api_server = launch_api_server(&self.programs, self.directory.path(), self.port, self.etcd_port)?;
        self.wait_until_ready().await
    }

    fn next_file(&self) -> String {
        format!("user-{}", self.users.fetch_add(1, Ordering::Relaxed))
    }

    fn access(&self, file: &str, proof: Proof) -> Result<Access> {
        access(self.directory.path(), file, self.port, proof)
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let client = self.admin.client().await?;
        let start = Instant::now();
        loop {
            self.etcd.check_running()?;
            self.api_server.check_running()?;
            let Err(error) = readiness(&client).await else {
                return Ok(());
            };
            if start.elapsed() > START_DEADLINE {
                let tail = self.api_server.log_tail();
                bail!("the API server on port {} is not ready: {error:#}; the end of its log:\n{tail}", self.port);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

async fn readiness(client: &kube::Client) -> Result<()> {
    let request = hyper::Request::get("/readyz").body(Vec::new())?;
    client.request_text(request).await?;
    Ok(())
}

fn url(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

fn write_certificates(directory: &Path, authority: &Authority) -> Result<()> {
    let ca = directory.join("ca.crt");
    fs::write(&ca, authority.certificate_pem()).with_context(|| format!("cannot write {}", ca.display()))?;
    authority.server(&[])?.write(directory, "server")?;
    let tokens = rcgen::KeyPair::generate().context("cannot make the key of service accounts")?;
    write_private(&directory.join("tokens.key"), &tokens.serialize_pem())?;
    fs::write(directory.join("tokens.pub"), tokens.public_key_pem()).context("cannot write the key of service accounts")
}

fn access(directory: &Path, file: &str, port: u16, proof: Proof) -> Result<Access> {
    let kubeconfig = directory.join(format!("{file}.kubeconfig"));
    Access::write(kubeconfig, &url(port), &directory.join("ca.crt"), proof)
}

/// One member, which loses its data with the machine's power and not before.
fn launch_etcd(programs: &Programs, directory: &Path, port: u16) -> Result<Process> {
    let url = format!("http://127.0.0.1:{port}");
    let mut command = Command::new(&programs.etcd);
    command.arg("--data-dir").arg(directory.join("etcd"));
    command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
    // It must listen for peers somewhere, and has none.
    command.args(["--listen-peer-urls", "http://127.0.0.1:0", "--unsafe-no-fsync", "--log-level", "warn"]);
    Process::start(Launch::new("etcd", command, directory.join("etcd.log")))
}

fn launch_api_server(programs: &Programs, directory: &Path, port: u16, etcd_port: u16) -> Result<Process> {
    let file = |name: &str| directory.join(name).into_os_string();
    let mut command = Command::new(&programs.api_server);
    command.arg(format!("--etcd-servers=http://127.0.0.1:{etcd_port}"));
    command.args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"]).arg(format!("--secure-port={port}"));
    command.arg("--tls-cert-file").arg(file("server.crt")).arg("--tls-private-key-file").arg(file("server.key"));
    command.arg("--client-ca-file").arg(file("ca.crt"));
    command.arg("--service-account-signing-key-file").arg(file("tokens.key"));
    command.arg("--service-account-key-file").arg(file("tokens.pub"));
    command.arg(format!("--service-account-issuer={}", token::ISSUER));
    command.args([
        "--authorization-mode=Node,RBAC",
        // No controller makes service accounts, so no pod could be created.
        "--disable-admission-plugins=ServiceAccount",
        "--allow-privileged=true",
        "--service-cluster-ip-range=10.0.0.0/24",
        // Nothing looks for this server by way of itself, and no other shares its work.
        "--endpoint-reconciler-type=none",
        "--profiling=false",
    ]);
    command.env("GOMAXPROCS", "2");
    Process::start(Launch::new("kube-apiserver", command, directory.join("kube-apiserver.log")))
}
