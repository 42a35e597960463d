"""The harness proves itself against a tiny signalling server, so that a red test elsewhere means Midcall."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import json
import math
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from aiohttp import WSMsgType, web
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from av import AudioFrame
from cables import Cable, MediaCable
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from phones import Phone, PhoneError
from playwright.async_api import Browser, BrowserContext

OpenPhone = Callable[..., Awaitable[Phone]]


class Signalling(NamedTuple):
    port: int
    authority: Path
    closed: asyncio.Queue[int | None]

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"


@pytest_asyncio.fixture(loop_scope="session")
async def signalling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Signalling]:
    """Registers every device, answers every call with a tone, sends every message back."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda *_, **__: ["127.0.0.1"])
    closed: asyncio.Queue[int | None] = asyncio.Queue()
    sockets: set[web.WebSocketResponse] = set()
    peers: list[RTCPeerConnection] = []
    call = f"CA{1:032x}"

    async def answer(offer: str) -> str:
        peer = RTCPeerConnection()
        peers.append(peer)
        peer.addTrack(Tone())
        await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return peer.localDescription.sdp

    async def signal(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        sockets.add(socket)

        async def say(kind: str, payload: dict[str, Any]) -> None:
            await socket.send_str(json.dumps({"type": kind, "version": "1.6", "payload": payload}))

        async for frame in socket:
            if frame.type is not WSMsgType.TEXT or frame.data == "\n":
                continue
            message = json.loads(frame.data)
            payload = message["payload"]
            match message["type"]:
                case "listen":
                    me = {"identity": "alice", "ttl": 3600}
                    await say(
                        "connected", {"edge": "ashburn", "region": "US_EAST_VIRGINIA", "home": "us1", "token": me}
                    )
                case "register":
                    await say("ready" if payload["media"]["audio"] else "offline", {})
                case "invite" if payload["twilio"].get("params") == "To=nobody":
                    await say("hangup", {"callsid": payload["callsid"], "error": {"code": 31404}})
                case "invite":
                    await say("ringing", {"callsid": call})
                    await say("answer", {"callsid": call, "reconnect": "r", "sdp": await answer(payload["sdp"])})
                case "message":
                    sid = payload["voiceeventsid"]
                    await say("ack", {"acktype": "message", "callsid": call, "voiceeventsid": sid})
                    await say("message", {**payload, "voiceeventsid": f"KX{1:032x}"})
        sockets.discard(socket)
        closed.put_nowait(socket.close_code)
        return socket

    app = web.Application()
    app.router.add_get("/signal", signal)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    authority, tls = _certificates(tmp_path)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    yield Signalling(runner.addresses[0][1], authority, closed)
    for peer in peers:
        await peer.close()
    for socket in list(sockets):
        await socket.close()
    await runner.cleanup()


class Tone(AudioStreamTrack):
    """440 Hz in frames of 20 ms."""

    async def recv(self) -> AudioFrame:
        silence = await super().recv()
        first, rate, count = silence.pts, silence.sample_rate, silence.samples
        wave = [int(8000 * math.sin(2 * math.pi * 440 * (first + n) / rate)) for n in range(count)]
        frame = AudioFrame(format="s16", layout="mono", samples=count)
        frame.planes[0].update(struct.pack(f"<{count}h", *wave))
        frame.pts, frame.sample_rate, frame.time_base = first, rate, silence.time_base
        return frame


async def test_the_page_loads_the_unmodified_sdk(open_phone: OpenPhone) -> None:
    phone = await open_phone()
    assert await phone.page.evaluate("phone.version()") == "2.18.5"


async def test_a_device_registers_when_the_browser_ignores_certificates(
    open_phone: OpenPhone, signalling: Signalling
) -> None:
    phone = await open_phone()
    await phone.start("token", signalling.host)
    await phone.register()
    device = await phone.device()
    assert (device["state"], device["identity"], device["edge"]) == ("registered", "alice", "ashburn")
    assert await phone.device_events() == ["registering", "registered"]
    await phone.unregister()
    await phone.wait_for("unregistered")


async def test_a_device_registers_when_the_browser_trusts_the_authority(
    trusting_chromium: Callable[[Path], Awaitable[Browser]], open_phone: OpenPhone, signalling: Signalling
) -> None:
    phone = await open_phone(browser=await trusting_chromium(signalling.authority))
    await phone.start("token", signalling.host)
    await phone.register()
    assert (await phone.device())["state"] == "registered"


async def test_a_browser_that_trusts_another_authority_is_not_fooled(
    trusting_chromium: Callable[[Path], Awaitable[Browser]],
    open_phone: OpenPhone,
    signalling: Signalling,
    tmp_path: Path,
) -> None:
    (tmp_path / "other").mkdir()
    other, _ = _certificates(tmp_path / "other")
    phone = await open_phone(browser=await trusting_chromium(other))
    await phone.start("token", signalling.host)
    await phone.page.evaluate("void phone.register().catch(() => {})")
    await phone.wait_for("error")
    assert "ERR_CERT_AUTHORITY_INVALID" in await phone.story()
    assert (await phone.device())["state"] != "registered"


async def test_a_call_is_heard_and_carries_messages(open_phone: OpenPhone, signalling: Signalling) -> None:
    phone = await open_phone("alice")
    await phone.start("token", signalling.host)
    call = await phone.connect(To="anybody")
    await call.wait_for("ringing")
    await call.wait_for("accept")
    assert await call.status() == "open"

    sid = await call.send_message({"ahoy": ["world", 1]})
    assert (await call.wait_for("messageSent")).data["voiceEventSid"] == sid
    await call.wait_for("messageReceived")
    (message,) = await call.messages()
    assert message["content"] == {"ahoy": ["world", 1]}

    heard = await call.hear(1.0)
    assert heard.packets > 20, heard
    assert heard.energy > 0, heard
    assert heard.peak > 0.1, heard
    assert 400 < heard.hz < 480, heard
    assert heard.codec in ("audio/opus", "audio/PCMU"), heard

    await call.mute()
    assert (await call.wait_for("mute")).data is True
    await call.send_digits("1w2")
    await call.disconnect()
    await call.wait_for("disconnect")
    assert (await call.properties())["status"] == "closed"


async def test_a_refused_call_says_why(open_phone: OpenPhone, signalling: Signalling) -> None:
    phone = await open_phone()
    await phone.start("token", signalling.host)
    call = await phone.connect(To="nobody")
    error = (await call.wait_for("error")).data
    assert (error["code"], error["cause"]["code"]) == (31005, 31404)
    await call.wait_for("disconnect")


async def test_a_lost_network_is_seen_at_once_and_comes_back(open_phone: OpenPhone, signalling: Signalling) -> None:
    phone = await open_phone()
    await phone.start("token", signalling.host)
    await phone.register()
    assert await phone.open_sockets() == 1
    await phone.network(False)
    await phone.wait_for("unregistered")
    await asyncio.wait_for(signalling.closed.get(), 5)
    assert await phone.open_sockets() == 0
    await phone.network(True)
    await phone.wait_for("registered", count=2)
    assert await phone.open_sockets() == 1


async def test_the_frames_of_a_browser_are_seen_in_order(open_phone: OpenPhone, signalling: Signalling) -> None:
    phone = await open_phone()
    await phone.start("token", signalling.host)
    await phone.register()
    await phone.frame("ready")
    assert [(frame.sent, frame.type) for frame in phone.frames] == [
        (True, "listen"),
        (False, "connected"),
        (True, "register"),
        (False, "ready"),
    ]
    assert phone.sent("listen")[0]["token"] == "token"


async def test_audio_goes_through_a_media_cable_and_stops_when_it_is_cut(
    open_phone: OpenPhone, signalling: Signalling
) -> None:
    phone = await open_phone()
    async with MediaCable() as cable:
        await phone.plug(cable)
        await phone.start("token", signalling.host)
        call = await phone.connect(To="anybody")
        await call.wait_for("accept")
        assert (await call.hear(1.0)).packets > 20
        cable.cut()
        await call.hear(0.2)
        assert (await call.hear(0.5)).packets == 0
        cable.mend()
        assert (await call.hear(1.0)).packets > 20


async def test_a_cut_cable_is_an_abrupt_loss_for_both_ends(open_phone: OpenPhone, signalling: Signalling) -> None:
    async with Cable(signalling.port) as cable:
        phone = await open_phone()
        await phone.start("token", f"localhost:{cable.port}")
        await phone.register()
        cable.cut()
        assert await asyncio.wait_for(signalling.closed.get(), 5) == 1006
        await phone.wait_for("unregistered")
        cable.mend()
        await phone.wait_for("registered", count=2)


async def test_an_event_that_never_comes_is_told_with_the_timeline(
    open_phone: OpenPhone, signalling: Signalling
) -> None:
    phone = await open_phone("alice")
    await phone.start("token", signalling.host)
    await phone.register()
    with pytest.raises(PhoneError, match=r"no incoming within 0\.1 s on alice(.|\n)*registered"):
        await phone.incoming(timeout=0.1)
    with pytest.raises(PhoneError, match="there is no call 0"):
        await phone._do("status", 0)


async def test_nothing_leaves_the_machine(context: BrowserContext, site: str) -> None:
    page = await context.new_page()
    await page.goto(f"{site}/phone.html")
    for url in ("https://sdk.twilio.com/", "https://192.0.2.1/"):
        reached = await page.evaluate("url => fetch(url, {mode: 'no-cors'}).then(() => true, () => false)", url)
        assert not reached


async def test_the_fake_microphone_beeps(context: BrowserContext, site: str) -> None:
    page = await context.new_page()
    await page.goto(f"{site}/phone.html")
    peak = await page.evaluate(
        """async () => {
            const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
            const audio = new AudioContext();
            const analyser = audio.createAnalyser();
            audio.createMediaStreamSource(stream).connect(analyser);
            const samples = new Float32Array(analyser.fftSize);
            let peak = 0;
            for (let n = 0; n < 150 && peak < 0.01; n++) {
                await new Promise((resolve) => setTimeout(resolve, 20));
                analyser.getFloatTimeDomainData(samples);
                peak = Math.max(peak, ...samples.map(Math.abs));
            }
            return peak;
        }"""
    )
    assert peak > 0.01


def _certificates(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """An authority and a certificate for localhost made by it."""
    now = dt.datetime.now(dt.UTC)

    def build(
        subject: str, issuer: str, public: ec.EllipticCurvePublicKey, *, authority: bool
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )

    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = build("Harness CA", "Harness CA", ca_key.public_key(), authority=True).sign(ca_key, hashes.SHA256())
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = (
        build("localhost", "Harness CA", key.public_key(), authority=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "server.pem").write_bytes(
        leaf.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(folder / "server.pem")
    return folder / "ca.pem", tls
