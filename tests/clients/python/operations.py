"""The official Python library in the hands of the tests: a job a line on stdin, its result a line on stdout.

`--asynchronous` uses the library's asynchronous half. What the jobs are, says tests/clients/operations.py.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys

import twilio
from twilio.base.exceptions import TwilioRestException
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant
from twilio.request_validator import RequestValidator
from twilio.rest import Client


class Operations:
    def __init__(self, client, asynchronous):
        self.client = client
        self.asynchronous = asynchronous

    async def ask(self, resource, method, /, **arguments):
        """Call the method of a resource, or its asynchronous twin."""
        if self.asynchronous:
            return await getattr(resource, method + "_async")(**arguments)
        return getattr(resource, method)(**arguments)

    async def version(self):
        return {"version": twilio.__version__}

    async def create_message(self, call_sid, content):
        made = await self.ask(self.client.calls(call_sid).user_defined_messages, "create", content=content)
        return {"sid": made.sid, "call_sid": made.call_sid, "created": made.date_created.timestamp()}

    async def create_subscription(self, call_sid, callback):
        subscriptions = self.client.calls(call_sid).user_defined_message_subscriptions
        made = await self.ask(subscriptions, "create", callback=callback, method="POST")
        return {"sid": made.sid, "call_sid": made.call_sid, "created": made.date_created.timestamp()}

    async def delete_subscription(self, call_sid, sid):
        return {"gone": await self.ask(self.client.calls(call_sid).user_defined_message_subscriptions(sid), "delete")}

    async def create_call(self, to, from_, twiml):
        return call(await self.ask(self.client.calls, "create", to=to, from_=from_, twiml=twiml))

    async def fetch_call(self, sid):
        return call(await self.ask(self.client.calls(sid), "fetch"))

    async def list_calls(self, to, page_size):
        return {"sids": [row.sid for row in await self.ask(self.client.calls, "list", to=to, page_size=page_size)]}

    async def redirect_call(self, sid, twiml):
        return call(await self.ask(self.client.calls(sid), "update", twiml=twiml))

    async def end_call(self, sid):
        return call(await self.ask(self.client.calls(sid), "update", status="completed"))

    async def create_application(self, friendly_name, voice_url):
        made = await self.ask(self.client.applications, "create", friendly_name=friendly_name, voice_url=voice_url)
        return {"sid": made.sid, "friendly_name": made.friendly_name, "voice_url": made.voice_url}

    async def create_key(self, friendly_name):
        made = await self.ask(self.client.new_keys, "create", friendly_name=friendly_name)
        return {"sid": made.sid, "secret": made.secret}

    async def read_error(self, sid):
        try:
            await self.ask(self.client.calls(sid), "fetch")
        except TwilioRestException as error:
            return {"status": error.status, "code": error.code, "message": error.msg}
        return {}

    async def validate(self, url, parameters, signature):
        return {"valid": RequestValidator(os.environ["TWILIO_AUTH_TOKEN"]).validate(url, parameters, signature)}

    async def mint_token(self, identity, application_sid):
        account, key = os.environ["TWILIO_ACCOUNT_SID"], os.environ["TWILIO_API_KEY"]
        token = AccessToken(account, key, os.environ["TWILIO_API_SECRET"], identity=identity)
        token.add_grant(VoiceGrant(outgoing_application_sid=application_sid, incoming_allow=True))
        jwt = token.to_jwt()
        return {"token": jwt.decode() if isinstance(jwt, bytes) else jwt}


def call(made):
    return {"sid": made.sid, "status": made.status, "to": made.to, "direction": made.direction}


async def main(asynchronous):
    async with contextlib.AsyncExitStack() as stack:
        http = None
        if asynchronous:
            from twilio.http.async_http_client import AsyncTwilioHttpClient

            http = await stack.enter_async_context(AsyncTwilioHttpClient())
        operations = Operations(Client(http_client=http), asynchronous)
        for line in sys.stdin:  # one job at a time: nothing else waits for this loop
            job = json.loads(line)
            try:
                result = {"answer": await getattr(operations, job["operation"])(**job["arguments"])}
            except Exception as error:
                result = {"failure": f"{type(error).__name__}: {error}"}
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--asynchronous", action="store_true")
    asyncio.run(main(arguments.parse_args().asynchronous))
