//! Somebody who speaks all the time, in two runs and for all to hear.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::{self, context::ContextBuilder};
use neighbours::nats::Credentials;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// The run that is read.
pub const RUN: &str = "read";
const PAUSE: Duration = Duration::from_millis(40);

/// The publisher. It ends with this value.
#[derive(Debug)]
pub struct Publisher {
    said: Arc<Mutex<Vec<u64>>>,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Publisher {
    pub fn start(credentials: Credentials) -> Self {
        let (said, stop) = (Arc::default(), CancellationToken::new());
        let task = AbortOnDropHandle::new(tokio::spawn(publish(credentials, Arc::clone(&said), stop.clone())));
        Self { said, stop, task }
    }

    /// Where in the stream the messages of the run are, so far as the stream has confirmed them.
    pub fn said(&self) -> Vec<u64> {
        self.said.lock().unwrap().clone()
    }

    /// Ends it in between two messages.
    pub async fn stop(self) -> Vec<u64> {
        self.stop.cancel();
        self.task.await.unwrap();
        Arc::into_inner(self.said).unwrap().into_inner().unwrap()
    }
}

async fn publish(credentials: Credentials, said: Arc<Mutex<Vec<u64>>>, stop: CancellationToken) {
    let options = credentials.connect_options().reconnect_delay_callback(|_| PAUSE);
    let client = options.connect(&credentials.url).await.unwrap();
    let context = ContextBuilder::new().ack_timeout(Duration::from_secs(1)).build(client);
    for number in 0_u64.. {
        if stop.is_cancelled() {
            return;
        }
        let run = if number % 3 == 2 { "another" } else { RUN };
        let sequence = say(&context, number, run).await;
        if run == RUN {
            said.lock().unwrap().push(sequence);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Says it until the stream confirms it. What the stream has already, it knows by the id.
async fn say(context: &jetstream::Context, number: u64, run: &str) -> u64 {
    let subject = match number % 5 {
        0 => format!("workflow.general.message.demo.{run}.{run}.agent.a"),
        _ => format!("workflow.demo.{run}.{run}.agent.a.message"),
    };
    let id = message::id::of_step("clients", &number.to_string()).to_string();
    let filler = "two\nlines, and \"a third\" \u{2028} ".repeat(20);
    let body = json!({
        "v": 1, "id": id, "workflow_namespace": "demo", "workflow_name": run, "workflow_uid": run, "agent_id": "a",
        "role": "assistant", "kind": "message", "content": format!("{number} {filler}"),
    });
    loop {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id.as_str());
        if let Ok(answer) = context.publish_with_headers(subject.clone(), headers, body.to_string().into()).await
            && let Ok(answer) = answer.await
        {
            return answer.sequence;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
