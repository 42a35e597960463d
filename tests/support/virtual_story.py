"""A story of an hour with everything random in it, told as a timeline: `python virtual_story.py SEED`."""

from __future__ import annotations

import asyncio
import sys
import warnings

import msgspec
from fastapi import FastAPI, Request, Response
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from midcall.testing import virtual

TWIML = '<Response><Dial timeout="20" action="/status"><Client>bob</Client></Dial></Response>'


async def story() -> list[str]:
    told: list[str] = []
    loop = asyncio.get_running_loop()

    def tell(*words: object) -> None:
        told.append(" ".join([f"{loop.time():.9f}", *map(str, words)]))

    async with virtual.server() as server:
        app = FastAPI()
        failures = [503, 500, 204, 429, 503, 204]

        @app.post("/voice")
        async def voice(request: Request) -> Response:
            tell("voice", sorted((await request.form()).items()))
            return Response(TWIML, media_type="text/xml")

        @app.post("/{name}")
        async def other(name: str, request: Request) -> Response:
            tell(name, (await request.body()).decode(), request.headers.get("i-twilio-idempotency-token"))
            return Response(status_code=failures.pop(0) if failures else 204)

        url = await server.serve(app, host="desk.example")
        await server.set_voice_url(url + "/voice")
        who = server.credentials
        async with (
            AsyncTwilioHttpClient() as http,
            server.device("alice") as alice,
            server.device("bob") as bob,
            server.device("bob", mirror_message_errors=True) as bobs_other,
        ):
            client = Client(who.account_sid, who.auth_token, http_client=http)
            for device in (alice, bob, bobs_other):
                device.on("error", lambda error: tell("error", error))
            await asyncio.gather(alice.register(), bob.register(), bobs_other.register())
            call = await alice.connect(params={"To": "bob", "z": "1", "a": "2"})
            rings = await asyncio.gather(bob.wait_for("incoming"), bobs_other.wait_for("incoming"))
            rings[1].accept()
            await call.wait_for("accept")
            sid = call.parameters["CallSid"]
            call.on("messageReceived", lambda message: tell("received", message))
            await client.calls(sid).user_defined_message_subscriptions.create_async(callback=url + "/messages")
            sent = [call.send_message({"n": n}) for n in range(5)]
            await asyncio.gather(*(message for message in sent))
            await client.calls(sid).user_defined_messages.create_async(content='{"from": "server"}')
            # The network goes, with everything that is up.
            for end in list(server.network.ends()):
                end.abort()
            await asyncio.sleep(900)
            tell("sent", *sent, call.status())
            call.disconnect()
            unanswered = await alice.connect(params={"To": "bob"})
            await unanswered.wait_for("disconnect")
            await asyncio.sleep(2_700)
        for event in list(server.app.trace._events):
            told.append(msgspec.json.encode(event).decode())
    tell("the end", loop.jumps)
    return told


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    print("\n".join(virtual.run(story(), seed=sys.argv[1])))
