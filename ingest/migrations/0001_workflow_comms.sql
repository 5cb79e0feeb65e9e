-- The whole schema. Partitions of agent_messages, one for each UTC day of stream_ts, are made by the program.
CREATE SCHEMA IF NOT EXISTS workflow_comms;

-- A life of the stream. A message's epoch is the last one that starts not after its store time; the first starts before
-- all time. The watermark says: every message of the epoch at or below it is committed.
CREATE TABLE workflow_comms.stream_epochs (
    epoch bigint PRIMARY KEY,
    starts_at timestamptz NOT NULL UNIQUE,
    stream_created timestamptz,
    first_seq bigint NOT NULL DEFAULT 0,
    watermark bigint NOT NULL DEFAULT 0,
    reason text NOT NULL,
    -- The highest sequence and the latest store time that any replica was handed: two maxima, not one message.
    seen_seq bigint NOT NULL DEFAULT 0,
    seen_at timestamptz,
    -- Something at or below it was discarded by the stream before it was stored.
    lost_to bigint NOT NULL DEFAULT 0,
    -- Below it days were dropped.
    kept_from bigint NOT NULL DEFAULT 0,
    -- The end of what the stream discarded and replicas may still hold, and since when they are given time to store it.
    hold_to bigint,
    hold_since timestamptz,
    -- A later life has begun, since when; and nothing of this one is stored any more.
    settle_since timestamptz,
    settled boolean NOT NULL DEFAULT false
);
INSERT INTO workflow_comms.stream_epochs (epoch, starts_at, reason) VALUES (1, '-infinity', 'first');

-- What was said. (epoch, stream_seq) is the cursor; stream_ts, the stream's store time, never changes on redelivery, so it
-- is the partition key. Each partition also has a unique index on (workflow_namespace, id): one message, one row, the copy
-- with the lowest cursor.
CREATE TABLE workflow_comms.agent_messages (
    stream_ts timestamptz NOT NULL,
    epoch bigint NOT NULL,
    stream_seq bigint NOT NULL,
    subject text NOT NULL,
    -- False where the subject does not say whose message it is: the run named here is then a claim, and no run shows it.
    verified boolean NOT NULL,
    id uuid NOT NULL,
    workflow_namespace text NOT NULL,
    workflow_name text NOT NULL,
    workflow_uid text NOT NULL,
    run_id text,
    step_id text,
    pod text,
    container text,
    attempt integer,
    source json,
    agent_id text NOT NULL,
    role text NOT NULL,
    stage text,
    kind text NOT NULL,
    "timestamp" timestamptz NOT NULL,
    seq bigint,
    channel text,
    content text,
    tool json,
    attrs json NOT NULL,
    runtime text,
    PRIMARY KEY (stream_ts, epoch, stream_seq)
) PARTITION BY RANGE (stream_ts);

-- Every list is in cursor order: of a run, of a run whose uid nobody knows, by the outer system's id, of the shared channel.
CREATE INDEX agent_messages_uid ON workflow_comms.agent_messages (workflow_uid, epoch, stream_seq);
CREATE INDEX agent_messages_name ON workflow_comms.agent_messages (workflow_namespace, workflow_name, epoch, stream_seq);
CREATE INDEX agent_messages_run_id ON workflow_comms.agent_messages (run_id, epoch, stream_seq) WHERE run_id IS NOT NULL;
CREATE INDEX agent_messages_general ON workflow_comms.agent_messages (epoch, stream_seq) WHERE channel = 'general';
-- Each partition also has a unique index on (epoch, stream_seq): no position twice in a day.

-- Sequences above the watermark that were acknowledged and left neither a row nor a dead letter: copies of messages, and
-- what is older than what is kept. Without them a copy would look like a message that the stream discarded.
CREATE TABLE workflow_comms.passed (
    epoch bigint NOT NULL,
    stream_seq bigint NOT NULL,
    PRIMARY KEY (epoch, stream_seq)
);

-- One row a run. Key: namespace and uid, or namespace and name (in run_key as 'name:<name>') where the uid is unknown.
CREATE TABLE workflow_comms.runs (
    workflow_namespace text NOT NULL,
    run_key text NOT NULL,
    workflow_name text NOT NULL,
    workflow_uid text NOT NULL,
    -- Of several, the one of the message with the highest cursor; so too the outcome, by whatever order they were stored in.
    run_id text,
    run_id_epoch bigint NOT NULL DEFAULT 0,
    run_id_seq bigint NOT NULL DEFAULT 0,
    runtime text,
    first_epoch bigint NOT NULL,
    first_seq bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_epoch bigint NOT NULL,
    last_seq bigint NOT NULL,
    last_at timestamptz NOT NULL,
    messages bigint NOT NULL,
    kinds jsonb NOT NULL,
    agents jsonb NOT NULL,
    outcome text,
    outcome_epoch bigint NOT NULL DEFAULT 0,
    outcome_seq bigint NOT NULL DEFAULT 0,
    preview text,
    preview_agent text,
    preview_epoch bigint NOT NULL DEFAULT 0,
    preview_seq bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (workflow_namespace, run_key)
);
CREATE INDEX runs_last ON workflow_comms.runs (last_epoch DESC, last_seq DESC);
CREATE INDEX runs_run_id ON workflow_comms.runs (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX runs_uid ON workflow_comms.runs (workflow_uid);
CREATE INDEX runs_name ON workflow_comms.runs (workflow_name);

-- One row for each step of a run and container of it: the last attempt is the pod with the highest cursor.
CREATE TABLE workflow_comms.run_steps (
    workflow_namespace text NOT NULL,
    run_key text NOT NULL,
    step_id text NOT NULL,
    pod text NOT NULL,
    container text NOT NULL,
    attempt integer,
    messages bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    last_epoch bigint NOT NULL,
    last_seq bigint NOT NULL,
    ended boolean NOT NULL DEFAULT false,
    -- As the end with the highest cursor says.
    exit_code integer,
    end_epoch bigint NOT NULL DEFAULT 0,
    end_seq bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (workflow_namespace, run_key, step_id, pod, container)
);

-- One row for each source generation: a missing number shows a loss.
CREATE TABLE workflow_comms.run_sources (
    workflow_namespace text NOT NULL,
    run_key text NOT NULL,
    pod_uid text NOT NULL,
    label text NOT NULL,
    generation bigint NOT NULL,
    highest_seq bigint NOT NULL,
    messages bigint NOT NULL,
    ended boolean NOT NULL DEFAULT false,
    -- As the end with the highest cursor says.
    complete boolean,
    end_epoch bigint NOT NULL DEFAULT 0,
    end_seq bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (workflow_namespace, run_key, pod_uid, label, generation)
);

-- What could not be read or stored, with its bytes; of class 'discarded', a range of sequences that the stream gave up
-- before they were stored: the first in stream_seq, the last in error.
CREATE TABLE workflow_comms.dead_letters (
    epoch bigint NOT NULL,
    stream_seq bigint NOT NULL,
    stream_ts timestamptz NOT NULL,
    subject text NOT NULL,
    headers json,
    payload bytea NOT NULL,
    class text NOT NULL,
    error text NOT NULL,
    -- What stream_ts leaves out of the store time, so that a message without an id gets the same id when it is read anew.
    stream_ns smallint NOT NULL DEFAULT 0,
    -- How often it was read anew, when last, and since when it is a message.
    attempts integer NOT NULL DEFAULT 0,
    retried_at timestamptz,
    resolved_at timestamptz,
    PRIMARY KEY (epoch, stream_seq, stream_ts)
);
CREATE INDEX dead_letters_class ON workflow_comms.dead_letters (class, epoch, stream_seq);
CREATE INDEX dead_letters_open ON workflow_comms.dead_letters (stream_ts) WHERE resolved_at IS NULL;
