use std::process::Command;

use super::*;

fn sh(script: &str, directory: &Path) -> Launch {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Launch::new("the shell", command, directory.join("sh.log"))
}

fn exists(pid: &str) -> bool {
    // A process that nobody waits for yet is gone all the same.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn until(reason: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "gave up waiting: {reason}");
        tokio::time::sleep(POLL).await;
    }
}

async fn written(path: &Path) -> String {
    let read = || fs::read_to_string(path).unwrap_or_default();
    until("the child writes its pid", || read().ends_with('\n')).await;
    read().trim().to_owned()
}

#[tokio::test]
async fn a_process_that_fails_tells_the_end_of_its_log() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(sh("echo one; echo two >&2; exit 3", directory.path())).unwrap();
    let status = process.wait(Duration::from_secs(20)).await.unwrap();
    assert_eq!(status.code(), Some(3));
    let error = process.check_running().unwrap_err().to_string();
    assert!(error.contains("ended with exit status: 3") && error.ends_with("one\ntwo"), "{error}");
}

#[tokio::test]
async fn dropping_a_process_ends_its_children_too() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(sh("sleep 1000 & echo $! > child; wait", directory.path()).within(directory.path()));
    let child = written(&directory.path().join("child")).await;
    assert!(exists(&child));
    drop(process);
    until("the grandchild ends", || !exists(&child)).await;
}

#[tokio::test]
async fn a_stubborn_process_is_killed_after_its_grace() {
    let directory = tempfile::tempdir().unwrap();
    let launch = sh("trap '' TERM; echo $$ > child; while :; do sleep 1; done", directory.path());
    let mut process = Process::start(launch.within(directory.path())).unwrap();
    let child = written(&directory.path().join("child")).await;
    let error = process.stop(Signal::TERM, Duration::from_millis(50)).await.unwrap_err();
    assert!(error.to_string().contains("still runs"), "{error}");
    assert!(!exists(&child));
}

/// The parent is this very test in a copy of the test binary, which is then killed.
#[tokio::test]
async fn children_and_directories_go_when_the_parent_is_killed() {
    if let Some(directory) = std::env::var_os("AGENT_COMMS_TEST_PARENT") {
        return be_a_parent(Path::new(&directory)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["process::tests::children_and_directories_go_when_the_parent_is_killed", "--exact"])
        .env("AGENT_COMMS_TEST_PARENT", directory.path());
    let log = directory.path().join("parent.log");
    let mut parent = Process::start(Launch::new("the parent", command, log)).unwrap();
    let child = written(&directory.path().join("child")).await;
    assert!(exists(&child));
    parent.signal(Signal::KILL).unwrap();
    parent.wait(Duration::from_secs(20)).await.unwrap();
    until("the orphan ends", || !exists(&child)).await;
    until("its directory is removed", || !directory.path().join("made").exists()).await;
}

async fn be_a_parent(directory: &Path) {
    fs::create_dir(directory.join("made")).unwrap();
    janitor::watch_directory(&directory.join("made")).unwrap();
    let launch = sh("sleep 1000 & echo $! > child; wait", directory).within(directory);
    let mut process = Process::start(launch).unwrap();
    process.wait(Duration::from_secs(60)).await.unwrap();
}

impl Launch {
    fn within(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }
}
