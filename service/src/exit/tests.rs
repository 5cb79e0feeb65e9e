use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
#[command(name = "agent")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Run {
        #[arg(long)]
        seconds: u32,
    },
}

#[track_caller]
fn check(arguments: &[&str], expected: &str) {
    let error = Arguments::try_parse_from(arguments).unwrap_err();
    assert_eq!(usage_line(&error.to_string()), expected);
}

#[test]
fn wrong_usage_is_one_line_with_the_thing_the_value_and_the_way_out() {
    check(
        &["agent", "run", "--seconds", "x"],
        "error: invalid value 'x' for '--seconds <SECONDS>': invalid digit found in string; see `--help`",
    );
    check(&["agent", "run", "--nope"], "error: unexpected argument '--nope' found; see `agent run --help`");
    check(
        &["agent", "run"],
        "error: the following required arguments were not provided: --seconds <SECONDS>; see `agent run --help`",
    );
}
