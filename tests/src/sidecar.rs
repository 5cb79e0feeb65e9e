//! The sidecar, `agent-comms` whole, as a program that tests of this package can find.

use std::process::ExitCode;

fn main() -> ExitCode {
    sidecar::program::main()
}
