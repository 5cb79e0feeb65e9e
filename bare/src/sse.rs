//! The yardstick that event streams are measured by: hyper as ingest has it, writing frames that were made beforehand.
//!
//! It listens to the very messages that ingest is shown, and writes the next frame to every stream for each of them. The frames
//! lie one after the other in one piece of memory, so whatever a stream is due is one slice of it and copied by nobody. It decodes
//! nothing, filters nothing, stores nothing and remembers nothing of its viewers but how far they are.
//!
//! It does what standard input says, one command a line, and answers each on standard output when it is done: `load FILE` reads
//! frames as they were captured from an event stream, `rewind` begins again with the first, `forward` has all of them due.

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::{Arc, RwLock};

use anyhow::{Context as _, bail};
use bare::frames::Frames;
use bare::say::say;
use bytes::Bytes;
use clap::Parser;
use futures_util::{StreamExt as _, stream};
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use service::nats::NatsArgs;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Writes frames to event streams
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    nats: NatsArgs,
}

/// What a stream begins with.
const BEGIN: &[u8] = b"retry: 1000\n\nevent: caught_up\ndata: {}\n\n";

/// How many messages wake the streams once at most: as many as ingest takes into its ring at once.
const TOGETHER: usize = 256;

/// What is due.
#[derive(Clone)]
struct Due {
    frames: Arc<RwLock<Frames>>,
    /// How many frames.
    count: watch::Sender<usize>,
}

#[tokio::main]
async fn main() -> ExitCode {
    service::tls::install_provider();
    let arguments = Arguments::parse();
    service::exit::report("bare-sse", serve(&arguments.nats).await)
}

async fn serve(args: &NatsArgs) -> anyhow::Result<()> {
    let client = args.options("bare sse", &std::env::temp_dir())?.connect(args.servers()?).await?;
    let messages = client.subscribe("workflow.>").await?;
    client.flush().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let due = Due { frames: Arc::default(), count: watch::Sender::new(0) };
    say(&format!("connected {}", listener.local_addr()?))?;
    tokio::spawn(accept(listener, due.clone()));
    let count = due.count.clone();
    tokio::spawn(async move {
        // All that came together wakes the streams once.
        let mut together = messages.ready_chunks(TOGETHER);
        while let Some(messages) = together.next().await {
            count.send_modify(|count| *count += messages.len());
        }
    });
    // Reading blocks, and the streams must go on meanwhile.
    while let Some(command) = tokio::task::spawn_blocking(|| std::io::stdin().lines().next()).await?.transpose()? {
        match command.split_once(' ') {
            Some(("load", path)) => {
                let frames = Frames::load(path.as_ref()).with_context(|| format!("cannot load `{path}`"))?;
                say(&format!("loaded {}", frames.count()))?;
                due.put(frames);
            }
            None if command == "rewind" => {
                due.count.send_replace(0);
                say("rewound")?;
            }
            None if command == "forward" => {
                due.count.send_replace(due.length());
                say("forwarded")?;
            }
            _ => bail!("`{command}` is no command"),
        }
    }
    Ok(())
}

async fn accept(listener: TcpListener, due: Due) {
    while let Ok((stream, _)) = listener.accept().await {
        let due = due.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let due = due.clone();
            async move { Ok::<_, Infallible>(events(&request, due)) }
        });
        tokio::spawn(async move {
            // A viewer that goes is no error.
            drop(auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await);
        });
    }
}

/// From the frame that the viewer had last, or from what is due next.
fn events(
    request: &Request<Incoming>,
    due: Due,
) -> Response<StreamBody<impl stream::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + use<>>> {
    let after = request.headers().get("last-event-id").and_then(|after| after.to_str().ok()?.parse().ok());
    let mut count = due.count.subscribe();
    let from = after.unwrap_or(*count.borrow_and_update());
    let frames = stream::unfold((from, count, due), |(from, mut count, due)| async move {
        let to = *count.wait_for(|count| *count > from).await.ok()?;
        let (bytes, reached) = due.slice(from, to);
        Some((bytes, (reached, count, due)))
    });
    let begin = stream::iter([Bytes::from_static(BEGIN)]);
    let body = StreamBody::new(begin.chain(frames).map(|bytes| Ok(Frame::data(bytes))));
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    answer
}

impl Due {
    fn put(&self, frames: Frames) {
        if let Ok(mut known) = self.frames.write() {
            *known = frames;
        }
    }

    fn length(&self) -> usize {
        self.frames.read().map_or(0, |frames| frames.count())
    }

    fn slice(&self, from: usize, to: usize) -> (Bytes, usize) {
        self.frames.read().map_or((Bytes::new(), to), |frames| frames.slice(from, to))
    }
}
