#!/bin/sh
# A test step: text lines in a log file as any program writes them, and the result by curl.
set -eu
pace=$1
log=$AGENT_COMMS_LOGS/pytest.log
records=0

say() {
    printf '%s\n' "$1" >>"$log"
    records=$((records + 1))
    sleep "$pace"
}

post() {
    curl --silent --show-error --fail --max-time 30 --unix-socket "$AGENT_COMMS_SOCKET" \
        --header 'content-type: application/json' --data-binary "$1" http://agent/messages >/dev/null
    records=$((records + 1))
}

post '{"kind":"tool_call","agent_id":"tests","tool":{"call_id":"t1","name":"pytest","arguments":{"command":"pytest -q tests/"}}}'
say 'collected 42 items'
say 'tests/test_guard.py ..........                       [ 23%]'
say 'tests/test_optimizer.py ..............F              [ 59%]'
say 'tests/test_metrics.py .................              [100%]'
say 'FAILED tests/test_optimizer.py::test_default_rate - assert 1.0 == 0.03'
post '{"kind":"tool_result","agent_id":"tests","tool":{"call_id":"t1","name":"pytest","status":"failed","duration_ms":1840,"output":"1 failed, 41 passed in 1.84s"},"attrs":{"exit_code":1}}'
post '{"kind":"error","agent_id":"tests","content":"test_default_rate fails: the default learning rate is still 1.0"}'
sleep "$pace"
post '{"kind":"status","agent_id":"tests","content":"second attempt"}'
post '{"kind":"tool_call","agent_id":"tests","tool":{"call_id":"t2","name":"pytest","arguments":{"command":"pytest -q tests/"}}}'
say 'collected 42 items, second attempt'
say '42 passed in 1.79s'
post '{"kind":"tool_result","agent_id":"tests","tool":{"call_id":"t2","name":"pytest","status":"ok","duration_ms":1790,"output":"42 passed in 1.79s"},"attrs":{"exit_code":0}}'
post '{"kind":"message","agent_id":"tests","channel":"general","content":"`TRAIN-482`: 42 tests pass on the fix."}'
echo "records $records"
