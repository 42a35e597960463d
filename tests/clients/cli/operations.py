"""The vendor's CLI in the hands of the tests: a job a line on stdin, its result a line on stdout.

What the jobs are, says tests/clients/operations.py. Every operation is a `twilio` of its own.
"""

import json
import re
import subprocess
import sys
from datetime import datetime


class Failed(Exception):
    """The CLI ended with an error, which it printed as the JSON that the server sent."""


def rows(command, **flags):
    """What the CLI prints as JSON."""
    words = [word for name, value in flags.items() for word in ("--" + name.rstrip("_").replace("_", "-"), str(value))]
    done = subprocess.run(["twilio", command, *words, "-o", "json"], capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"twilio {command} ended with {done.returncode}: {done.stderr.strip()}", done.stdout)
    return json.loads(done.stdout) if done.stdout.strip() else []


def one(command, **flags):
    (row,) = rows(command, **flags)
    return row


def version():
    out = subprocess.run(["twilio", "--version"], capture_output=True, text=True, check=True).stdout
    return {"version": re.search(r"twilio-cli/(\S+)", out)[1]}


MESSAGES = "api:core:calls:user-defined-messages"
SUBSCRIPTIONS = "api:core:calls:user-defined-message-subscriptions"
CALLS = "api:core:calls"


def create_message(call_sid, content):
    return event(one(f"{MESSAGES}:create", call_sid=call_sid, content=content))


def create_subscription(call_sid, callback):
    return event(one(f"{SUBSCRIPTIONS}:create", call_sid=call_sid, callback=callback, method="POST"))


def event(made):
    created = datetime.fromisoformat(made["dateCreated"]).timestamp()
    return {"sid": made["sid"], "call_sid": made["callSid"], "created": created}


def delete_subscription(call_sid, sid):
    return {"gone": rows(f"{SUBSCRIPTIONS}:remove", call_sid=call_sid, sid=sid) == []}


def create_call(to, from_, twiml):
    return one(f"{CALLS}:create", to=to, from_=from_, twiml=twiml)


def fetch_call(sid):
    return one(f"{CALLS}:fetch", sid=sid)


def list_calls(to, page_size):
    return {"sids": [row["sid"] for row in rows(f"{CALLS}:list", to=to, page_size=page_size)]}


def redirect_call(sid, twiml):
    return one(f"{CALLS}:update", sid=sid, twiml=twiml)


def end_call(sid):
    return one(f"{CALLS}:update", sid=sid, status="completed")


def create_application(friendly_name, voice_url):
    made = one("api:core:applications:create", friendly_name=friendly_name, voice_url=voice_url)
    return {"sid": made["sid"], "friendly_name": made["friendlyName"], "voice_url": made["voiceUrl"]}


def create_key(friendly_name):
    return one("api:core:keys:create", friendly_name=friendly_name)


def read_error(sid):
    try:
        fetch_call(sid)
    except Failed as failed:
        return json.loads(failed.args[1])[0]
    return {}


def main():
    for line in sys.stdin:
        job = json.loads(line)
        try:
            result = {"answer": globals()[job["operation"]](**job["arguments"])}
        except Exception as error:
            result = {"failure": f"{type(error).__name__}: {error}"}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
