//! The proof: what the steps wrote, what the database holds and what a viewer saw are the same, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio_postgres::Client;

use super::platform::Platform;
use super::viewer::Viewer;

/// What a killed ingest had in hand comes again only after the `ackWait` of a minute, perhaps twice.
const STORED_DEADLINE: Duration = Duration::from_secs(180);
const SEEN_DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// Who wrote: a container of a step of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Voice {
    pub uid: String,
    pub workflow: &'static str,
    pub step: &'static str,
    pub container: &'static str,
}

/// How many messages each container wrote by its own count.
#[derive(Debug, Default)]
pub struct Spoken(BTreeMap<Voice, usize>);

impl Spoken {
    /// Adds what one container wrote.
    pub fn say(&mut self, voice: Voice, count: usize) {
        *self.0.entry(voice).or_default() += count;
    }

    /// Adds what others wrote.
    pub fn add(&mut self, others: Self) {
        for (voice, count) in others.0 {
            self.say(voice, count);
        }
    }

    /// All messages.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }
}

/// Waits until the database holds as many messages of every container as it wrote, each once.
pub async fn stored(platform: &Platform, uids: &[String], spoken: &Spoken) -> Result<usize> {
    let client = platform.database().await?;
    let start = Instant::now();
    loop {
        let counts = Counts::read(&client, uids).await?;
        let wrong = counts.differences(spoken);
        if wrong.is_empty() && counts.rows == spoken.total() && counts.ids == counts.rows {
            return Ok(counts.rows);
        }
        if start.elapsed() > STORED_DEADLINE {
            let (wrote, rows, ids) = (spoken.total(), counts.rows, counts.ids);
            bail!("the steps wrote {wrote} messages; PostgreSQL holds {rows} with {ids} ids\n{}", wrong.join("\n"));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// That an agent of one run asked, and one of another answered: both stand in the shared channel, under their own runs.
pub async fn talked(platform: &Platform, uids: &[String]) -> Result<usize> {
    let said = |name: &str| {
        format!(
            "SELECT workflow_uid, content FROM workflow_comms.agent_messages \
             WHERE channel = 'general' AND workflow_uid = ANY($1) AND attrs->>'{name}' = 'TRAIN-482'"
        )
    };
    let client = platform.database().await?;
    let (asked, answered) = (client.query(&said("question"), &[&uids]).await?, client.query(&said("answer"), &[&uids]).await?);
    let [(asked, answered)] = asked.iter().zip(&answered).collect::<Vec<_>>()[..] else {
        bail!("{} questions and {} answers in the shared channel, not one each", asked.len(), answered.len());
    };
    if asked.get::<_, String>(0) == answered.get::<_, String>(0) {
        bail!("a run answered itself");
    }
    // The asker says what it was answered, in its own run.
    let told = "SELECT count(*) FROM workflow_comms.agent_messages \
                WHERE channel IS NULL AND workflow_uid = $1 AND position($2 IN content) > 0";
    let row = client.query_one(told, &[&asked.get::<_, String>(0), &answered.get::<_, String>(1)]).await?;
    if row.get::<_, i64>(0) != 1 {
        bail!("the agent that asked did not hear the answer");
    }
    Ok(2)
}

/// Waits until the viewer saw every message of the runs, also those in which sidecars tell of an end, none of them twice.
pub async fn seen(platform: &Platform, uids: &[String], viewer: &Viewer) -> Result<usize> {
    let client = platform.database().await?;
    let start = Instant::now();
    loop {
        let stored = ids(&client, uids).await?;
        let seen = viewer.seen();
        if let Some((id, count)) = seen.iter().find(|(_, count)| **count > 1) {
            bail!("the event stream gave the message {id} {count} times");
        }
        let missing = stored.iter().filter(|id| !seen.contains_key(*id)).count();
        if missing == 0 && seen.len() == stored.len() {
            return Ok(seen.len());
        }
        if start.elapsed() > SEEN_DEADLINE {
            bail!(
                "PostgreSQL holds {} messages of the runs; the event stream gave {}, {missing} are missing ({})",
                stored.len(),
                seen.len(),
                viewer.trouble(),
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What the database holds of the steps; what sidecars tell of themselves is not counted.
struct Counts {
    rows: usize,
    ids: usize,
    voices: BTreeMap<(String, String, String), usize>,
}

impl Counts {
    async fn read(client: &Client, uids: &[String]) -> Result<Self> {
        let rows = client
            .query(
                "SELECT workflow_uid, coalesce(step_id, ''), coalesce(container, ''), count(*), count(DISTINCT id) \
                 FROM workflow_comms.agent_messages \
                 WHERE workflow_uid = ANY($1) AND kind NOT IN ('source-end', 'step-end', 'gap') GROUP BY 1, 2, 3",
                &[&uids],
            )
            .await?;
        let mut counts = Self { rows: 0, ids: 0, voices: BTreeMap::new() };
        for row in rows {
            let count = usize::try_from(row.get::<_, i64>(3))?;
            counts.rows += count;
            counts.ids += usize::try_from(row.get::<_, i64>(4))?;
            counts.voices.insert((row.get(0), row.get(1), row.get(2)), count);
        }
        Ok(counts)
    }

    fn differences(&self, spoken: &Spoken) -> Vec<String> {
        let stored = |voice: &Voice| {
            let key = (voice.uid.clone(), voice.step.to_owned(), voice.container.to_owned());
            self.voices.get(&key).copied().unwrap_or_default()
        };
        let differing = spoken.0.iter().filter(|(voice, count)| stored(voice) != **count);
        let told = differing.map(|(voice, count)| {
            format!("{}/{}/{} wrote {count}, stored are {}", voice.workflow, voice.step, voice.container, stored(voice))
        });
        told.collect()
    }
}

async fn ids(client: &Client, uids: &[String]) -> Result<BTreeSet<String>> {
    let query = "SELECT id::text FROM workflow_comms.agent_messages WHERE workflow_uid = ANY($1)";
    let rows = client.query(query, &[&uids]).await?;
    Ok(rows.into_iter().map(|row| row.get(0)).collect())
}
