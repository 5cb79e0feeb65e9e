//! Entry point of `agent-comms-injector`.

use std::process::ExitCode;

use injector::cli::{Cli, Command};

#[tokio::main]
async fn main() -> ExitCode {
    service::tls::install_provider();
    let Cli { command: Command::Serve(arguments) } = match service::exit::arguments() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    service::exit::report("agent-comms-injector", injector::serve::run(*arguments).await)
}
