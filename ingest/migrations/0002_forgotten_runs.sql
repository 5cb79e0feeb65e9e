-- Ids by which runs were known that went with their days, so that whoever asks for one is told so, and not that it is still to
-- come. The newest are kept.
CREATE TABLE workflow_comms.forgotten_runs (
    -- Its uid, or its name where that was unknown, or what an outer system called it.
    id text NOT NULL,
    workflow_namespace text NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (id, workflow_namespace)
);
CREATE INDEX forgotten_runs_last ON workflow_comms.forgotten_runs (last_at);
