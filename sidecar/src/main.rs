//! Entry point of `agent-comms`.

use std::process::ExitCode;

fn main() -> ExitCode {
    sidecar::program::main()
}
