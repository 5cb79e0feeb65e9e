//! Messages that were made beforehand, in a file: subject, id and body, each after its length as four bytes, big-endian.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use async_nats::{HeaderMap, Subject};
use bytes::Bytes;

/// Ready to be handed to the client.
pub struct Message {
    /// Where it is published.
    pub subject: Subject,
    /// Where its answer goes.
    pub reply: Subject,
    /// With its id.
    pub headers: HeaderMap,
    /// Its body.
    pub payload: Bytes,
}

/// Those that were not sent yet.
#[derive(Default)]
pub struct Prepared(pub VecDeque<Message>);

impl Prepared {
    /// Reads a whole file; answers will come to subjects below `inbox`.
    pub fn load(path: &Path, inbox: &str) -> anyhow::Result<Self> {
        let mut file = BufReader::new(File::open(path)?);
        let mut messages = VecDeque::new();
        while let Some(subject) = part(&mut file)? {
            let (Some(id), Some(payload)) = (part(&mut file)?, part(&mut file)?) else {
                anyhow::bail!("it ends in the middle of a message");
            };
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", std::str::from_utf8(&id)?);
            messages.push_back(Message {
                subject: std::str::from_utf8(&subject)?.into(),
                reply: format!("{inbox}.{}", messages.len()).into(),
                headers,
                payload: payload.into(),
            });
        }
        Ok(Self(messages))
    }
}

/// The next part; nothing at the end of the file.
fn part(file: &mut impl Read) -> std::io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match file.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    file.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}
