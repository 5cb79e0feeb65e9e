//! A wrapped command: as if it ran alone, and captured.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use neighbours::process::Signal;
use rustix::process::{Pid, kill_process};

use crate::world::{PATIENCE, Stored, World, check_whole, terminate};

fn exec(socket: &Path, script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-comms"));
    command.args(["exec", "--socket"]).arg(socket).args(["--", "sh", "-c", script]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn no_socket(world: &tempfile::TempDir) -> PathBuf {
    world.path().join("none.sock")
}

/// A socket file that nobody serves any more.
fn dead_socket(directory: &tempfile::TempDir) -> PathBuf {
    let path = directory.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    path
}

#[track_caller]
fn wait_for(child: &mut Child) -> std::process::ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "the command does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn contents<'a>(said: &'a [Stored], stream: &str) -> Vec<&'a str> {
    said.iter().filter(|stored| stored.body["attrs"]["stream"] == stream).map(|stored| stored.text("content")).collect()
}

/// The words about ends, once there are this many.
async fn ends(world: &World, count: usize) -> Vec<Stored> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut stored = world.stored().await;
        stored.retain(|stored| stored.text("kind") == "step-end");
        if stored.len() >= count {
            return stored;
        }
        assert!(Instant::now() < deadline, "{} of {count} ends were told", stored.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn output_passes_unchanged_and_is_captured_apart_and_the_end_is_told_before_sigterm() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let script = "printf 'one\\n\\377\\0two\\r\\n'; printf 'oops\\n' >&2; printf 'last, without an end'; exit 7";
    let output = exec(&world.socket("main"), script).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(output.stdout, b"one\n\xff\0two\r\nlast, without an end");
    assert_eq!(output.stderr, b"oops\n");
    let output = exec(&world.socket("side"), "echo beside").output().unwrap();
    assert!(output.status.success());

    let told = ends(&world, 2).await;
    let codes: Vec<(&str, i64)> =
        told.iter().map(|end| (end.text("container"), end.body["attrs"]["exit_code"].as_i64().unwrap())).collect();
    assert_eq!(codes, [("main", 7), ("side", 0)]);
    let said = world.said(5).await;
    check_whole(&said);
    assert_eq!(contents(&said, "stderr"), ["oops"]);
    let out = contents(&said, "stdout");
    assert_eq!((out.len(), out[0], out[2], out[3]), (4, "one", "last, without an end", "beside"));
    assert!(said.iter().all(|stored| stored.text("kind") == "log" && !stored.resend));
    assert!(said[..4].iter().all(|stored| stored.text("container") == "main"));

    // What comes late is sent all the same, and nothing is told twice.
    let (status, _) = crate::world::post(&world.socket("main"), "text/plain", "late");
    assert_eq!(status, 202);
    assert_eq!(world.said(6).await[5].text("content"), "late");
    terminate(sidecar).await;
    let stored = world.stored().await;
    let kinds: Vec<&str> = stored.iter().map(|stored| stored.text("kind")).filter(|kind| *kind != "log").collect();
    assert_eq!(kinds, ["source-end", "step-end", "step-end", "message", "source-end"]);

    // Neither does a process that comes after.
    let sidecar = world.sidecar(&[]).await;
    terminate(sidecar).await;
    let ends: Vec<Stored> = world.stored().await.into_iter().filter(|stored| stored.text("kind") == "step-end").collect();
    assert_eq!(ends.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_is_killed_meanwhile_gets_every_line_once() {
    const LINES: usize = 6_000;
    let mut world = World::start().await;
    let mut sidecar = world.sidecar(&[]).await;
    let script = format!("i=0; while [ $i -lt {LINES} ]; do echo \"line $i\"; i=$((i+1)); done; sleep 1");
    let mut child = exec(&world.socket("main"), &script).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        text.lines().count()
    });
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(40)).await;
        sidecar.kill().unwrap();
        drop(sidecar);
        sidecar = world.sidecar(&[]).await;
    }
    assert!(wait_for(&mut child).success());
    assert_eq!(reader.join().unwrap(), LINES);
    let said = world.said(LINES).await;
    check_whole(&said);
    let expected: Vec<String> = (0..LINES).map(|number| format!("line {number}")).collect();
    assert_eq!(contents(&said, "stdout"), expected);
    terminate(sidecar).await;
}

#[test]
fn without_a_sidecar_it_is_the_command_and_nothing_else() {
    let directory = tempfile::TempDir::new().unwrap();
    for socket in [no_socket(&directory), dead_socket(&directory)] {
        let run = |script: &str| -> Output { exec(&socket, script).output().unwrap() };
        let output = run("echo out; echo err >&2; exit 3");
        assert_eq!((output.status.code(), &output.stdout[..], &output.stderr[..]), (Some(3), &b"out\n"[..], &b"err\n"[..]));
        let start = Instant::now();
        assert!(run("exit 0").status.success());
        assert!(start.elapsed() < Duration::from_secs(10), "a sidecar that is gone is not waited for");
        let mut child = exec(&socket, "cat; cat <&0").stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"typed").unwrap();
        assert_eq!(child.wait_with_output().unwrap().stdout, b"typed");
    }
}

#[test]
fn a_command_that_cannot_run_has_the_shells_codes() {
    let directory = tempfile::TempDir::new().unwrap();
    for socket in [no_socket(&directory), dead_socket(&directory)] {
        for (program, code) in [("/no/such/program", 127), ("no-such-program-anywhere", 127), ("/etc/passwd", 126), ("/", 126)] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_agent-comms"));
            let output = command.args(["exec", "--socket"]).arg(&socket).args(["--", program, "--flag"]).output().unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{program}: {error}");
            assert!(error.contains(program) && error.lines().count() == 1, "{error}");
        }
    }
}

#[test]
fn a_directory_of_the_path_that_may_not_be_looked_into_is_passed_over() {
    let directory = tempfile::TempDir::new().unwrap();
    let open = Permissions::from_mode(0o755);
    fs::set_permissions(directory.path(), open).unwrap();
    let (program, closed) = (directory.path().join("agent-comms"), directory.path().join("closed"));
    // Root may look into every directory, so that root tries it as another, who must get at the program.
    fs::copy(env!("CARGO_BIN_EXE_agent-comms"), &program).unwrap();
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
    let mut command = Command::new(program);
    if rustix::process::geteuid().is_root() {
        command.uid(65_534).gid(65_534);
    }
    command.env("PATH", format!("/usr/bin:{}:/bin", closed.display())).args(["exec", "--socket"]).arg(dead_socket(&directory));
    let output = command.args(["--", "no-such-program-anywhere"]).output().unwrap();
    assert_eq!(output.status.code(), Some(127), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn where_no_thread_or_process_can_be_had_the_command_runs_alone() {
    let directory = tempfile::TempDir::new().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let program = directory.path().join("agent-comms");
    fs::copy(env!("CARGO_BIN_EXE_agent-comms"), &program).unwrap();
    let socket = dead_socket(&directory);
    for most in 1..=4 {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nproc={most}")).arg(&program).args(["exec", "--socket"]).arg(&socket);
        // Root may have as many as it likes.
        if rustix::process::geteuid().is_root() {
            command.uid(65_534).gid(65_534);
        }
        let output = command.args(["--", "sh", "-c", "echo out; echo err >&2; exit 3"]).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "with {most}: {output:?}");
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]), "with {most}");
    }
}

#[test]
fn signals_reach_the_command_and_one_that_ends_it_is_told_as_a_shell_tells_it() {
    let directory = tempfile::TempDir::new().unwrap();
    let socket = dead_socket(&directory);
    let forwarded = [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("TERM", Signal::TERM),
        ("WINCH", Signal::WINCH),
        ("CONT", Signal::CONT),
        ("ALRM", Signal::ALARM),
    ];
    let traps: Vec<String> = forwarded.iter().map(|(name, _)| format!("trap 'echo {name}; seen=$((seen+1))' {name}; ")).collect();
    let traps = traps.concat();
    let script = format!("seen=0; {traps} echo ready; while [ $seen -lt {} ]; do sleep 0.02; done", forwarded.len());
    let mut child = exec(&socket, &script).spawn().unwrap();
    let pid = Pid::from_child(&child);
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        line.trim().to_owned()
    };
    assert_eq!(line(), "ready");
    for (name, signal) in forwarded {
        kill_process(pid, signal).unwrap();
        assert_eq!(line(), name);
    }
    assert!(wait_for(&mut child).success());

    for (signal, code) in [(Signal::TERM, 143), (Signal::USR1, 138), (Signal::ABORT, 134)] {
        let mut child = exec(&socket, "echo ready; exec sleep 60").spawn().unwrap();
        let mut ready = [0; 6];
        child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        let status = wait_for(&mut child);
        assert_eq!((status.code(), status.signal()), (Some(code), None));
    }
    let output = exec(&socket, "kill -KILL $$").output().unwrap();
    assert_eq!(output.status.code(), Some(137));
}

#[test]
fn the_end_does_not_wait_for_others_that_keep_the_output_open() {
    let directory = tempfile::TempDir::new().unwrap();
    let mut child = exec(&dead_socket(&directory), "sleep 60 & echo $!; echo said").spawn().unwrap();
    assert!(wait_for(&mut child).success());
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    let (other, said) = text.split_once('\n').unwrap();
    assert_eq!(said, "said\n");
    kill_process(Pid::from_raw(other.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
}

/// Runs a wrapped script from Python, which can make a terminal and adopt orphans.
fn python(program: &str, socket: &Path, script: &str) -> Output {
    let mut command = Command::new("python3");
    command.args(["-c", program, env!("CARGO_BIN_EXE_agent-comms"), "exec", "--socket"]).arg(socket);
    command.args(["--", "sh", "-c", script]).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn a_terminal_stays_one_and_its_signals_come_once() {
    const IN_A_TERMINAL: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let directory = tempfile::TempDir::new().unwrap();
    let script = "for fd in 0 1 2; do test -t $fd && echo terminal; done; exit 4";
    let output = python(IN_A_TERMINAL, &dead_socket(&directory), script);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), text.lines().filter(|line| *line == "terminal").count()), (Some(4), 3), "{text}");

    // Ctrl-C as the terminal sends it: to everybody in front of it.
    let script = "seen=0; trap 'seen=$((seen+1))' INT; kill -INT 0; sleep 0.3; echo \"seen $seen\"";
    let text = String::from_utf8(python(IN_A_TERMINAL, &directory.path().join("dead.sock"), script).stdout).unwrap();
    assert!(text.contains("seen 1"), "{text}");
}

#[test]
fn orphans_are_taken_in() {
    // As a container's first process does, the wrapper adopts whoever loses its parent.
    const ADOPTING: &str =
        "import ctypes, os, sys; assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0; os.execv(sys.argv[1], sys.argv[1:])";
    let directory = tempfile::TempDir::new().unwrap();
    let script = format!(
        "(sleep 0.05 & echo $! > {0}); orphan=$(cat {0}); tries=0; \
         grep -q \"^PPid:.*$PPID$\" /proc/$orphan/status || exit 8; \
         while [ -e /proc/$orphan ]; do sleep 0.02; tries=$((tries+1)); [ $tries -lt 500 ] || exit 9; done",
        directory.path().join("orphan").display()
    );
    let output = python(ADOPTING, &dead_socket(&directory), &script);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn what_was_ignored_stays_ignored_and_what_was_open_stays_open() {
    let directory = tempfile::TempDir::new().unwrap();
    let (socket, kept) = (dead_socket(&directory), directory.path().join("kept"));
    let script = format!(
        "trap '' HUP; exec 3> {}; exec {} exec --socket {} -- sh -c 'kill -HUP $$; kill -HUP $PPID; sleep 0.1; echo kept >&3; exit 6'",
        kept.display(),
        env!("CARGO_BIN_EXE_agent-comms"),
        socket.display()
    );
    let status = Command::new("sh").args(["-c", &script]).status().unwrap();
    assert_eq!(status.code(), Some(6));
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "kept\n");
}

#[test]
fn a_closed_output_ends_the_command_as_it_would_alone_and_a_slow_one_makes_it_wait() {
    let directory = tempfile::TempDir::new().unwrap();
    let socket = dead_socket(&directory);
    let mut child = exec(&socket, "exec yes").spawn().unwrap();
    let mut some = [0; 1_000];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    assert_eq!(wait_for(&mut child).code(), Some(128 + 13), "SIGPIPE");

    // Nobody reads the output: the command stands still, and its other stream does not.
    let done = directory.path().join("done");
    let script = format!("echo going >&2; head -c 1000000 /dev/zero; touch {}", done.display());
    let mut child = exec(&socket, &script).spawn().unwrap();
    let mut going = [0; 6];
    child.stderr.as_mut().unwrap().read_exact(&mut going).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(!done.exists(), "a million bytes went nowhere");
    let mut all = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), 1_000_000);
    assert!(wait_for(&mut child).success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_sidecar_holds_nothing_and_what_was_not_captured_is_told() {
    const LINES: u64 = 4_000;
    const LENGTH: u64 = 1_000;
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    sidecar.signal(Signal::STOP).unwrap();
    let script = format!("yes {} | head -n {LINES}; exit 5", "x".repeat(999));
    let run = |container: &str| {
        let mut child = exec(&world.socket(container), &script).stderr(Stdio::null()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let read = std::io::copy(&mut stdout.take(LINES * LENGTH), &mut std::io::sink()).unwrap();
        assert_eq!(read, LINES * LENGTH);
        child
    };
    // It ends without the sidecar, and leaves a word.
    let start = Instant::now();
    assert_eq!(wait_for(&mut run("main")).code(), Some(5));
    assert!(start.elapsed() < Duration::from_secs(30), "a frozen sidecar is not waited for");
    // It ends with a sidecar that is back in time for the last words.
    let mut child = run("side");
    sidecar.signal(Signal::CONT).unwrap();
    assert_eq!(wait_for(&mut child).code(), Some(5));

    let told = ends(&world, 2).await;
    let stored = world.stored().await;
    for end in told {
        let container = end.text("container");
        let of: Vec<&Stored> = stored.iter().filter(|stored| stored.text("container") == container).collect();
        let said = of.iter().filter(|stored| stored.is_said()).count() as u64;
        let gaps = || of.iter().filter(|stored| stored.body["attrs"]["reason"] == "output_overflow");
        let missed: u64 = gaps().map(|stored| stored.body["attrs"]["records"].as_u64().unwrap()).sum();
        assert!(missed > 0 && said + missed == LINES, "{container}: {said} said, {missed} missed");
        assert!(said > 0 || container == "main", "what was held when the sidecar went on is not missing");
        assert_eq!(end.body["attrs"]["missed_records"].as_u64(), Some(missed), "{container}");
        assert_eq!(end.body["attrs"]["exit_code"], 5);
    }
    terminate(sidecar).await;
}
