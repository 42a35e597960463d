"""A whole server in virtual time: what takes hours takes milliseconds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response

from midcall.sdk import Device
from midcall.testing import virtual


def desk(twiml: str) -> FastAPI:
    """An application that answers every call with this TwiML, and keeps what it was told."""
    app = FastAPI()
    app.state.told = []

    @app.post("/voice")
    async def voice(request: Request) -> Response:
        return Response(twiml, media_type="text/xml")

    @app.post("/status")
    async def status(request: Request) -> Response:
        form = dict(await request.form())
        app.state.told.append((asyncio.get_running_loop().time(), form))
        return Response(status_code=204)

    return app


def device(server: virtual.VirtualServer, identity: str, **options: Any) -> Device:
    return Device(server.token(identity), url=server.signal_url, media="none", **options)


def test_a_minute_of_ringing_passes_at_once() -> None:
    async def main() -> tuple[float, list[tuple[float, str]]]:
        loop = asyncio.get_running_loop()
        async with virtual.server() as server:
            app = desk(
                '<Response><Dial timeout="60" action="/status"><Client statusCallback="/status" '
                'statusCallbackEvent="ringing completed">bob</Client></Dial></Response>'
            )
            await server.set_voice_url(await server.serve(app) + "/voice")
            async with device(server, "alice") as alice, device(server, "bob") as bob:
                await bob.register()
                call = await alice.connect(params={"To": "bob"})
                await call.wait_for("disconnect")
                ended_at = loop.time()
            told = [(at, form.get("CallStatus") or form["DialCallStatus"]) for at, form in app.state.told]
            return ended_at, told

    ended_at, told = virtual.run(main())
    assert ended_at == 60
    assert (0.0, "ringing") in told
    assert (60.0, "no-answer") in told


def test_a_server_needs_a_virtual_loop() -> None:
    async def main() -> None:
        async with virtual.server():
            pass

    with pytest.raises(RuntimeError, match="needs a VirtualLoop"):
        asyncio.run(main())
