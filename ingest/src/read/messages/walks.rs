//! The statements that find messages: walks of one index each, in cursor order.

use message::Timestamp;
use time::OffsetDateTime;
use tokio_postgres::types::ToSql;

use crate::cursor::Cursor;
use crate::filter::Filter;

/// What is walked: after the one and up to the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) after: Cursor,
    pub(super) up_to: Cursor,
}

impl Bounds {
    /// Where a walk begins.
    pub(super) fn start(self, direction: Direction) -> Cursor {
        match direction {
            Direction::Ascending => self.after,
            Direction::Descending => Cursor { sequence: self.up_to.sequence.saturating_add(1), ..self.up_to },
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Direction {
    Ascending,
    Descending,
}

impl Direction {
    pub(super) fn order(self) -> &'static str {
        match self {
            Self::Ascending => "epoch, stream_seq",
            Self::Descending => "epoch DESC, stream_seq DESC",
        }
    }

    /// How what comes later on the walk compares.
    fn beyond(self) -> &'static str {
        match self {
            Self::Ascending => ">",
            Self::Descending => "<",
        }
    }
}

/// Between the bounds `$3` to `$6`.
const BETWEEN: &str = "(epoch, stream_seq) > ($3, $4) AND (epoch, stream_seq) <= ($5, $6)";

/// Walks, for each run and each way to find it, one index in cursor order, and merges what these walks found. A plain `OR`
/// would read every message of a run to sort them. What they found, no more than `$8`, is the table `page`.
///
/// Whatever is walked is found, but for runs of other namespaces: this is for filters that narrow nothing further.
pub(super) fn all(direction: Direction) -> String {
    let order = direction.order();
    let walk = |condition: &str| {
        format!(
            "SELECT stream_ts, epoch, stream_seq FROM workflow_comms.agent_messages WHERE {condition} AND {BETWEEN} \
             AND ($7::text IS NULL OR workflow_namespace = $7) ORDER BY {order} LIMIT $8"
        )
    };
    let walks = each(walk, "UNION");
    format!("WITH found AS ({walks}), page AS (SELECT * FROM found ORDER BY {order} LIMIT $8)")
}

/// The same of filters that narrow further, which may match nothing of what is walked: each walk looks at `$9` messages at
/// most, and tells the last of them. Gives up to `$8` positions that match, where nothing before them was left out, and the
/// position up to which all walks have looked (`matches` false), where one of them has not looked at everything.
pub(super) fn step(direction: Direction) -> String {
    let order = direction.order();
    // The days alone, so that those before and after are left out and all of the others counts as looked at.
    let walk = |condition: &str| {
        format!(
            "SELECT stream_ts, epoch, stream_seq, matches, number = $9 AS is_last FROM (\
             SELECT *, row_number() OVER (ORDER BY {order}) AS number FROM (\
             SELECT stream_ts, epoch, stream_seq, {MATCHES} AS matches FROM workflow_comms.agent_messages \
             WHERE {condition} AND {BETWEEN} AND stream_ts >= date_trunc('day', coalesce($15::timestamptz, '-infinity'), 'UTC') \
             AND stream_ts < date_trunc('day', coalesce($16::timestamptz, 'infinity'), 'UTC') + interval '1 day' \
             ORDER BY {order} LIMIT $9) looked) numbered WHERE matches OR number = $9 ORDER BY {order} LIMIT $8"
        )
    };
    format!(
        "WITH walked AS ({walks}), horizon AS (SELECT epoch, stream_seq FROM walked WHERE is_last ORDER BY {order} LIMIT 1) \
         SELECT * FROM (SELECT DISTINCT stream_ts, epoch, stream_seq, matches FROM walked w WHERE matches \
         AND NOT EXISTS (SELECT FROM horizon h WHERE (w.epoch, w.stream_seq) {beyond} (h.epoch, h.stream_seq)) \
         ORDER BY {order} LIMIT $8) page UNION ALL SELECT '-infinity', epoch, stream_seq, false FROM horizon",
        walks = each(walk, "UNION ALL"),
        beyond = direction.beyond(),
    )
}

/// What a filter asks of a message.
const MATCHES: &str = "(($7::text IS NULL OR workflow_namespace = $7) \
    AND (cardinality($10::text[]) = 0 OR kind = ANY($10)) AND (cardinality($11::text[]) = 0 OR agent_id = ANY($11)) \
    AND (cardinality($12::text[]) = 0 OR role = ANY($12)) AND (cardinality($13::text[]) = 0 OR step_id = ANY($13)) \
    AND stream_ts >= coalesce($15::timestamptz, '-infinity') AND stream_ts < coalesce($16::timestamptz, 'infinity') \
    AND workflow_namespace <> ALL($17::text[]) AND (cardinality($18::text[]) = 0 OR stage = ANY($18)) \
    AND ($14::text IS NULL OR content ILIKE $14) \
    AND (cardinality($19::text[]) = 0 OR content IS NULL OR content NOT ILIKE ALL($19::text[])) \
    AND ($20::text IS NULL OR content ~* $20))";

fn each(walk: impl Fn(&str) -> String, union: &str) -> String {
    let by_uid = walk("verified AND workflow_uid = run.id AND workflow_uid NOT IN ('', 'unknown')");
    let by_run_id = walk("verified AND run_id = run.id");
    let by_name = walk(
        "verified AND workflow_namespace = known.workflow_namespace AND workflow_name = run.id AND workflow_uid IN ('', 'unknown')",
    );
    let general = walk("$2 AND channel = 'general'");
    format!(
        "SELECT walk.* FROM unnest($1::text[]) AS run (id) CROSS JOIN LATERAL ({by_uid}) walk \
         {union} SELECT walk.* FROM unnest($1::text[]) AS run (id) CROSS JOIN LATERAL ({by_run_id}) walk \
         {union} SELECT walk.* FROM unnest($1::text[]) AS run (id) \
         JOIN workflow_comms.runs known ON known.workflow_name = run.id AND known.run_key = 'name:' || run.id \
         CROSS JOIN LATERAL ({by_name}) walk \
         {union} ({general})"
    )
}

/// What the walks are asked, in the form that the driver takes.
#[derive(Debug, Clone)]
pub(super) struct Question<'a> {
    filter: &'a Filter,
    /// Namespaces whose messages are passed over.
    hidden: &'a [String],
    pub(super) bounds: Bounds,
    pattern: Option<String>,
    without: Vec<String>,
    since: Option<OffsetDateTime>,
    until: Option<OffsetDateTime>,
}

impl<'a> Question<'a> {
    pub(super) fn new(filter: &'a Filter, hidden: &'a [String], bounds: Bounds) -> Self {
        let pattern = filter.text.as_deref().map(like_pattern);
        let without = filter.without.iter().map(|text| like_pattern(text)).collect();
        let [since, until] = [filter.since, filter.until].map(|time| time.map(Timestamp::moment));
        Self { filter, hidden, bounds, pattern, without, since, until }
    }

    /// Whether much of what is walked may not match.
    pub(super) fn is_narrow(&self) -> bool {
        let Filter { general, namespace, kinds, agents, roles, steps, stages, since, until, .. } = self.filter;
        let lists = [kinds.as_slice(), agents, roles, steps, stages, self.hidden];
        self.filter.is_search()
            || lists.iter().any(|list| !list.is_empty())
            || since.is_some()
            || until.is_some()
            // A run has one namespace, the channel has all.
            || (*general && namespace.is_some())
    }

    /// How many runs are walked, the channel as one.
    pub(super) fn walks(&self) -> usize {
        self.filter.runs.len() + usize::from(self.filter.general)
    }

    /// Of [`all`], without the limit, which is the eighth.
    pub(super) fn of_all(&self) -> [&(dyn ToSql + Sync); 7] {
        let Bounds { after, up_to } = &self.bounds;
        [
            &self.filter.runs,
            &self.filter.general,
            &after.epoch,
            &after.sequence,
            &up_to.epoch,
            &up_to.sequence,
            &self.filter.namespace,
        ]
    }

    /// Of [`step`]: of so many that match, and so many that are looked at.
    pub(super) fn of_step<'b>(&'b self, limit: &'b i64, looked_at: &'b i64) -> Vec<&'b (dyn ToSql + Sync)> {
        let mut parameters = self.of_all().to_vec();
        let Filter { kinds, agents, roles, steps, stages, regex, .. } = self.filter;
        let told: [&(dyn ToSql + Sync); 6] = [limit, looked_at, kinds, agents, roles, steps];
        let found: [&(dyn ToSql + Sync); 4] = [&self.pattern, &self.since, &self.until, &self.hidden];
        parameters.extend(told.into_iter().chain(found));
        parameters.extend([stages as &(dyn ToSql + Sync), &self.without, regex]);
        parameters
    }
}

/// A pattern that finds this text anywhere, each of its characters standing for itself.
pub(in crate::read) fn like_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}
