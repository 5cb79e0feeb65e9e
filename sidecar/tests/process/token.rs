//! A token in place of a certificate, in a file that is replaced while the sidecar runs.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use neighbours::Process;
use neighbours::nats::Options;
use service::nats::NatsArgs;

use crate::world::{PATIENCE, World, check_whole, post, terminate};

const REFUSED: &str = "nats refuses us";

/// A volume as the kubelet projects it: one symlink changes all that is in it.
struct Volume {
    directory: PathBuf,
    versions: u32,
}

impl Volume {
    fn new(world: &World) -> Self {
        let directory = world.path("projected");
        fs::create_dir(&directory).unwrap();
        Self { directory, versions: 0 }
    }

    fn token(&self) -> PathBuf {
        self.directory.join("token")
    }

    fn project(&mut self, token: &str) {
        self.versions += 1;
        let version = format!("..{}", self.versions);
        fs::create_dir(self.directory.join(&version)).unwrap();
        fs::write(self.directory.join(&version).join("token"), token).unwrap();
        let next = self.directory.join("..data_tmp");
        symlink(&version, &next).unwrap();
        fs::rename(next, self.directory.join("..data")).unwrap();
        if self.versions == 1 {
            symlink("..data/token", self.token()).unwrap();
        }
    }
}

async fn world_with(token: &str) -> World {
    World::start_with(Options { token: Some(token.to_owned()), ..Options::default() }).await
}

#[track_caller]
fn wait_until(what: &str, sidecar: &Process, mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < deadline, "{caller}: in vain: {what}: {}", sidecar.log_tail());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn log(sidecar: &Process) -> String {
    fs::read_to_string(sidecar.log()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_read_anew_at_each_connection_and_nothing_is_lost_or_repeated() {
    let mut world = world_with("first").await;
    let mut volume = Volume::new(&world);
    volume.project("first\n");
    let sidecar = world.sidecar_with_token(&volume.token(), &[]).await;
    let (done, lines) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let writer = {
        let (done, lines, path) = (Arc::clone(&done), Arc::clone(&lines), world.log("a.log"));
        std::thread::spawn(move || {
            let mut file = File::create(path).unwrap();
            while !done.load(Ordering::Relaxed) {
                writeln!(file, "line {}", lines.fetch_add(1, Ordering::Relaxed)).unwrap();
                std::thread::sleep(Duration::from_millis(5));
            }
        })
    };
    let written = || lines.load(Ordering::Relaxed);
    world.said(1).await;

    // Issued again before it ends: the connection is changed while the server is content with both.
    let before = world.pod.metric("connects_total").unwrap();
    volume.project("first");
    let pod = &world.pod;
    wait_until("another connection", &sidecar, || pod.metric("connects_total").unwrap() > before).await;
    world.said(written()).await;
    assert_eq!(log(&sidecar).matches(REFUSED).count(), 0);

    // The server shows it out.
    volume.project("second");
    world.nats.set_token("second").unwrap();
    world.nats.reload().await.unwrap();
    world.said(written()).await;

    // The server comes back with another, which the file gets too late.
    world.nats.stop().await.unwrap();
    world.nats.set_token("third").unwrap();
    world.nats.start_again().await.unwrap();
    wait_until("a refusal", &sidecar, || log(&sidecar).contains(REFUSED)).await;
    volume.project("third");
    world.said(written()).await;

    done.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    let said = world.said(written()).await;
    check_whole(&said);
    assert_eq!(said.len(), written());
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_still_to_come_is_waited_for_while_records_are_taken() {
    let mut world = world_with("late").await;
    let mut volume = Volume::new(&world);
    let sidecar = world.sidecar_with_token(&volume.token(), &["--in-pod"]).await;
    assert_eq!(post(&world.socket("main"), "text/plain", "accepted before").0, 202);
    wait_until("the missing file is told", &sidecar, || log(&sidecar).contains("cannot read the nats token from")).await;
    volume.project("");
    wait_until("the empty file is told", &sidecar, || log(&sidecar).contains("is empty")).await;
    volume.project("late\n");
    assert_eq!(world.said(1).await[0].text("content"), "accepted before");
    let log = log(&sidecar);
    for told in ["cannot read the nats token from", "is empty"] {
        assert_eq!(log.matches(told).count(), 1, "{log}");
    }
    assert!(!log.contains(REFUSED), "{log}");
    terminate(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_server_refuses_is_an_alarm_told_once_and_never_what_it_says() {
    let (right, wrong) = ("right-one-5up3r", "wrong-one-5up3r");
    let mut world = world_with(right).await;
    let mut volume = Volume::new(&world);
    volume.project(wrong);
    let sidecar = world.sidecar_with_token(&volume.token(), &["--in-pod", "--log", "trace"]).await;
    assert_eq!(post(&world.socket("main"), "text/plain", "accepted meanwhile").0, 202);
    let server_log = world.nats.process().log().to_owned();
    let refusals = || fs::read_to_string(&server_log).unwrap().matches("authentication error").count();
    wait_until("it is refused again and again", &sidecar, || refusals() >= 5).await;
    volume.project(right);
    assert_eq!(world.said(1).await[0].text("content"), "accepted meanwhile");
    let log = log(&sidecar);
    let alarms: Vec<&str> = log.lines().filter(|line| line.contains("\"level\":\"ERROR\"")).collect();
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert!(alarms[0].contains(REFUSED) && alarms[0].contains("authorization violation"), "{alarms:?}");
    assert!(!log.contains("5up3r"), "a token is in the log");
    terminate(sidecar).await;
}

/// As every process but the sidecar connects: one client, which makes its connections itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_connects_again_by_itself_reads_the_token_anew() {
    service::tls::install_provider();
    let mut world = world_with("first").await;
    let mut volume = Volume::new(&world);
    volume.project("first\n");
    let args = NatsArgs {
        nats_url: world.nats.url(),
        nats_ca: Some(world.nats.ca()),
        nats_ca_pem: None,
        nats_cert: None,
        nats_key: None,
        nats_token_file: Some(volume.token()),
        nats_inbox_prefix: None,
        nats_plaintext: false,
    };
    let client = args.options("test", &world.path("")).unwrap().connect(args.servers().unwrap()).await.unwrap();
    client.flush().await.unwrap();
    world.nats.stop().await.unwrap();
    volume.project("second\n");
    world.nats.set_token("second").unwrap();
    world.nats.start_again().await.unwrap();
    let context = async_nats::jetstream::new(client);
    let deadline = Instant::now() + PATIENCE;
    while context.get_stream("agent-comms").await.is_err() {
        assert!(Instant::now() < deadline, "it does not come back");
    }
}
