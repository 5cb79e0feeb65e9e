//! Entry point of `agent-comms-injector`.

use std::process::ExitCode;

use injector::cli::{Cli, Command};
use injector::offline::command;
use service::exit;

/// A review is thousands of small pieces of JSON, and the allocator of musl, in the image, or of glibc would take half of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NAME: &str = "agent-comms-injector";

#[tokio::main]
async fn main() -> ExitCode {
    service::tls::install_provider();
    let cli: Cli = match exit::arguments() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let code = match cli.command {
        Command::Serve(arguments) => return exit::report(NAME, injector::serve::run(*arguments).await),
        Command::Inject(arguments) => command::inject(*arguments),
        Command::Uninject(arguments) => command::uninject(&arguments),
        Command::Credentials(arguments) => injector::credentials::run(&arguments),
        Command::Check(arguments) => injector::check::run(*arguments).await,
        Command::Explain(arguments) => command::explain(*arguments).await,
    };
    code.unwrap_or_else(|error| exit::report(NAME, Err(error)))
}
