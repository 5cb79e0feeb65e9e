use std::ffi::OsString;

use clap::Parser as _;

use super::lenient::parse_leniently;
use super::{Cli, Command, RunArgs};

#[track_caller]
fn run_args(cli: Cli) -> RunArgs {
    let Command::Run(args) = cli.command else { panic!("not run") };
    *args
}

#[track_caller]
fn check_lenient(arguments: &[&str], problems: usize) -> RunArgs {
    let line = ["agent-comms", "run", "--in-pod"].iter().chain(arguments).map(OsString::from).collect();
    let (cli, found) = parse_leniently(line);
    assert_eq!(found.len(), problems, "{found:?}");
    let args = run_args(cli);
    assert!(args.in_pod);
    args
}

#[test]
fn a_bad_setting_in_a_pod_means_its_default_and_the_others_hold() {
    let args = check_lenient(&["--grace-seconds", "soon", "--namespace", "demo"], 1);
    assert_eq!((args.grace_seconds, args.identity.namespace.as_str()), (None, "demo"));
    let args = check_lenient(&["--attempt=-1", "--no-such-flag", "--rate-messages", "x", "--stage", "plan"], 3);
    assert_eq!((args.identity.attempt, args.identity.stage.as_deref()), (None, Some("plan")));
    let args = check_lenient(&["--nats-cert", "/no/such", "--pod", "p"], 1);
    assert_eq!((args.nats.nats_cert, args.identity.pod.as_deref()), (None, Some("p")));
    let args = check_lenient(&["--nats-cert", "c", "--nats-key", "k", "--nats-token-file", "t", "--pod", "p"], 2);
    assert_eq!(args.nats.nats_token_file.as_deref(), Some(std::path::Path::new("t")), "one of the two has to do");
    assert_eq!((args.nats.nats_cert, args.identity.pod.as_deref()), (None, Some("p")));
    check_lenient(&["--files", "main:/a/[", "--files", "/b/*.log"], 1);
    check_lenient(&["stray"], 1);
}

#[test]
fn outside_a_pod_a_bad_setting_is_an_error_that_names_it() {
    let error = Cli::try_parse_from(["agent-comms", "run", "--grace-seconds", "soon"]).unwrap_err().to_string();
    assert!(error.contains("--grace-seconds") && error.contains("soon"), "{error}");
}

#[test]
fn an_identity_without_a_uid_is_still_one_of_its_own() {
    let args = run_args(Cli::parse_from(["agent-comms", "run", "--namespace", "demo", "--pod", "p", "--run-id", ""]));
    let pod = args.identity.pod_identity();
    assert_eq!(pod.pod_uid, "demo/unknown/unknown/p");
    assert_eq!(pod.run_id, None);
}

#[test]
fn an_argo_node_is_a_step_and_its_attempt() {
    let identity = |words: &[&str]| {
        let line = ["agent-comms", "run", "--step-id"].iter().chain(words).copied();
        let pod = run_args(Cli::parse_from(line)).identity.pod_identity();
        (pod.step_id.unwrap(), pod.attempt)
    };
    assert_eq!(identity(&["wf.plan(2)", "--runtime", "argo"]), ("wf.plan".to_owned(), Some(2)));
    assert_eq!(identity(&["wf.plan(2:x)", "--runtime", "argo"]), ("wf.plan(2:x)".to_owned(), None));
    assert_eq!(identity(&["wf.plan(2)", "--runtime", "argo", "--attempt", "1"]), ("wf.plan(2)".to_owned(), Some(1)));
    assert_eq!(identity(&["job(2)", "--runtime", "native"]), ("job(2)".to_owned(), None));
}

#[test]
fn the_drain_ends_before_the_pod_does() {
    let seconds = |arguments: &[&str]| {
        let line: Vec<&str> = ["agent-comms", "run"].iter().chain(arguments).copied().collect();
        run_args(Cli::parse_from(line)).drain_time().as_secs()
    };
    assert_eq!([seconds(&[]), seconds(&["--grace-seconds", "30"]), seconds(&["--grace-seconds", "1"])], [5, 28, 1]);
    let longest = std::time::Duration::from_secs(seconds(&["--grace-seconds", &u64::MAX.to_string()]));
    assert!(std::time::Instant::now().checked_add(longest).is_some(), "no clock has the deadline");
}
