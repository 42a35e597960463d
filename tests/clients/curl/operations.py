"""curl in the hands of the tests: a job a line on stdin, its result a line on stdout.

What the jobs are, says tests/clients/operations.py. Every request is a curl of its own, to the address in the
vendor's documentation.
"""

import json
import os
import subprocess
import sys
from email.utils import parsedate_to_datetime

HOST = "https://api.twilio.com"
USER = f"{os.environ['TWILIO_ACCOUNT_SID']}:{os.environ['TWILIO_AUTH_TOKEN']}"
ACCOUNT = f"{HOST}/2010-04-01/Accounts/{os.environ['TWILIO_ACCOUNT_SID']}"


class Refused(Exception):
    """The status was none of the two hundreds."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


def curl(*arguments):
    """Status and parsed body of one request."""
    command = ["curl", "--silent", "--show-error", "--max-time", "15", "--write-out", "\n%{http_code}", "--user", USER]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"curl ended with {done.returncode}: {done.stderr.strip()}")
    body, _, status = done.stdout.rpartition("\n")
    parsed = json.loads(body) if body else None
    if not status.startswith("2"):
        raise Refused(int(status), parsed)
    return int(status), parsed


def post(path, **fields):
    data = [part for name, value in fields.items() for part in ("--data-urlencode", f"{name}={value}")]
    return curl(f"{ACCOUNT}/{path}.json", *data)[1]


def version():
    out = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout
    return {"version": out.split()[1]}


def create_message(call_sid, content):
    return event(post(f"Calls/{call_sid}/UserDefinedMessages", Content=content))


def create_subscription(call_sid, callback):
    return event(post(f"Calls/{call_sid}/UserDefinedMessageSubscriptions", Callback=callback, Method="POST"))


def event(made):
    created = parsedate_to_datetime(made["date_created"]).timestamp()
    return {"sid": made["sid"], "call_sid": made["call_sid"], "created": created}


def delete_subscription(call_sid, sid):
    url = f"{ACCOUNT}/Calls/{call_sid}/UserDefinedMessageSubscriptions/{sid}.json"
    return {"gone": curl("-X", "DELETE", url) == (204, None)}


def create_call(to, from_, twiml):
    return post("Calls", To=to, From=from_, Twiml=twiml)


def fetch_call(sid):
    return curl(f"{ACCOUNT}/Calls/{sid}.json")[1]


def list_calls(to, page_size):
    filters = ("--data-urlencode", f"To={to}", "--data-urlencode", f"PageSize={page_size}")
    page = curl("--get", f"{ACCOUNT}/Calls.json", *filters)[1]
    rows = page["calls"]
    while page["next_page_uri"]:
        page = curl(HOST + page["next_page_uri"])[1]
        rows += page["calls"]
    return {"sids": [row["sid"] for row in rows]}


def redirect_call(sid, twiml):
    return post(f"Calls/{sid}", Twiml=twiml)


def end_call(sid):
    return post(f"Calls/{sid}", Status="completed")


def create_application(friendly_name, voice_url):
    return post("Applications", FriendlyName=friendly_name, VoiceUrl=voice_url)


def create_key(friendly_name):
    return post("Keys", FriendlyName=friendly_name)


def read_error(sid):
    try:
        fetch_call(sid)
    except Refused as refused:
        return {"status": refused.status, "code": refused.body["code"], "message": refused.body["message"]}
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
