"""Two agents of two runs that talk through the shared channel: one asks, the other reads that and answers. Neither knows the
other, or has a credential: both read the channel through the socket of their own step."""

import http.client
import json
import os
import socket
import sys

PATIENCE = 60
QUESTION = "Who works on TRAIN-482? The report has to say when the nightly runs are right again."
ANSWER = "That is fix-training: the learning rate was 1.0, it is 0.03 now. Tonight's run is right again."


class Sidecar(http.client.HTTPConnection):
    """HTTP over the socket of this step."""

    def __init__(self):
        super().__init__("agent", timeout=PATIENCE)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.environ["AGENT_COMMS_SOCKET"])


def say(agent, **record):
    sidecar = Sidecar()
    body = json.dumps({"agent_id": agent, "kind": "message", **record})
    sidecar.request("POST", "/messages", body, {"content-type": "application/json"})
    answer = sidecar.getresponse()
    if answer.status != 202:
        sys.exit(f"the sidecar answered {answer.status}: {answer.read().decode()}")


def heard(wanted):
    """The first message of the channel, of before or from now on, with this attribute; and what it says there."""
    sidecar = Sidecar()
    sidecar.request("GET", "/messages?channel=general&last=50&follow=1")
    answer = sidecar.getresponse()
    if answer.status != 200:
        sys.exit(f"the sidecar answered {answer.status}: {answer.read().decode()}")
    for line in answer:
        message = json.loads(line)
        value = (message.get("attrs") or {}).get(wanted)
        if value is not None:
            return message, value
    sys.exit(f"the channel ended without a message with {wanted}")


def ask():
    say("reporter", channel="general", content=QUESTION, attrs={"question": "TRAIN-482"})
    answer, _ = heard("answer")
    say("reporter", content=f"{answer['agent_id']} of {answer['workflow_name']} answered: {answer['content']}")


def answer():
    question, about = heard("question")
    say("reviewer", channel="general", content=f"@{question['agent_id']} {ANSWER}", attrs={"answer": about})
    say("reviewer", kind="status", content=f"answered {question['workflow_name']} about {about}")


{"ask": ask, "answer": answer}[sys.argv[1]]()
print("records", 2)
