#!/bin/sh
# A reviewer: several records in one request, and plain text for whatever has no form.
set -eu
pace=$1

post() {
    curl --silent --show-error --fail --max-time 30 --unix-socket "$AGENT_COMMS_SOCKET" \
        --header "content-type: $1" --data-binary @- http://agent/messages >/dev/null
}

post application/x-ndjson <<'RECORDS'
{"kind":"status","agent_id":"reviewer","content":"reading the diff"}
{"kind":"reasoning","agent_id":"reviewer","content":"The guard runs before the optimiser's step, so no weight is touched by a NaN."}
{"kind":"message","agent_id":"reviewer","content":"Two remarks, neither blocks:\n\n- `TrainingDiverged` deserves a line in the changelog\n- the test could also cover `inf`\n\n```diff\n-LR = 1.0  # FIXME: diverges\n+LR = 0.03\n```\n\n> The smallest change that explains all three runs."}
RECORDS
sleep "$pace"
printf 'approved: 1 file changed, 9 insertions, 2 deletions' | post text/plain
sleep "$pace"
post application/json <<'RECORD'
{"kind":"message","agent_id":"reviewer","channel":"general","content":"Approved **TRAIN-482**. Merging after the nightly run."}
RECORD
echo "records 5"
