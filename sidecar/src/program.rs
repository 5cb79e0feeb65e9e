//! The program `agent-comms`, from its command line to its exit code.

use std::process::ExitCode;

use crate::args::{Command, Problem, parse};

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    service::tls::install_provider();
    let (cli, problems) = match parse(std::env::args_os().collect()) {
        Ok(parsed) => parsed,
        Err(error) => return service::exit::refuse(&error),
    };
    // One thread: what this does is wait, and every thread is memory in every pod.
    match (tokio::runtime::Builder::new_current_thread().enable_all().build(), cli.command) {
        (Ok(runtime), Command::Exec(args)) => runtime.block_on(crate::exec::run(&args)),
        (Err(_), Command::Exec(args)) => crate::exec::replace(&args),
        (runtime, command) => {
            let result = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(execute(command, problems)));
            service::exit::report("agent-comms", result)
        }
    }
}

async fn execute(command: Command, problems: Vec<Problem>) -> anyhow::Result<()> {
    match command {
        Command::Run(mut args) => {
            // What the client library would say of each connection is said here, once.
            args.logs.log.push_str(",async_nats=off");
            service::logs::start(&args.logs);
            let stop = service::signals::stop_tokens()?;
            crate::run::run(*args, problems, stop).await
        }
        Command::Ready(args) | Command::Init(args) => crate::ready::ready(&args).await,
        Command::Emit(args) => crate::emit::emit(args).await,
        Command::Read(args) => crate::read::read(&args).await,
        Command::Parse(args) => crate::parse::parse(&args),
        // Its exit code is its command's, which is no result.
        Command::Exec(_) => Ok(()),
    }
}
