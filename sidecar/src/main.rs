//! Entry point of `agent-comms`.

use std::process::ExitCode;

use sidecar::args::{Cli, Command, Problem, parse};

fn main() -> ExitCode {
    service::tls::install_provider();
    let (cli, problems) = match parse(std::env::args_os().collect()) {
        Ok(parsed) => parsed,
        Err(error) => return service::exit::refuse(&error),
    };
    // One thread: what this does is wait, and every thread is memory in every pod.
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(execute(cli, problems)));
    service::exit::report("agent-comms", result)
}

async fn execute(cli: Cli, problems: Vec<Problem>) -> anyhow::Result<()> {
    match cli.command {
        Command::Run(mut args) => {
            // What the client library would say of each connection is said here, once.
            args.logs.log.push_str(",async_nats=off");
            service::logs::start(&args.logs);
            let stop = service::signals::stop_token()?;
            sidecar::run::run(*args, problems, stop).await
        }
        Command::Ready(args) => {
            sidecar::ready::ready(&args).await;
            Ok(())
        }
        Command::Emit(args) => sidecar::emit::emit(args).await,
        Command::Parse(args) => sidecar::parse::parse(&args),
    }
}
