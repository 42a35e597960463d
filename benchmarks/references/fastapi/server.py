"""What teams write today: an HTTP push to a WebSocket, and a WebSocket message out to a webhook. Nothing is kept,
ordered or signed.

    python server.py WEBHOOK_URL; prints its port.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

WEBHOOK = sys.argv[1]
sockets: dict[str, WebSocket] = {}
sessions: list[aiohttp.ClientSession] = []


class Push(BaseModel):
    content: dict[str, object]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with aiohttp.ClientSession() as session:
        sessions.append(session)
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/push/{client}", status_code=201)
async def push(client: str, body: Push) -> dict[str, bool]:
    websocket = sockets.get(client)
    if websocket is None:
        raise HTTPException(404, "nobody is there")
    await websocket.send_json({"type": "message", "content": body.content})
    return {"ok": True}


@app.websocket("/ws/{client}")
async def connect(websocket: WebSocket, client: str) -> None:
    await websocket.accept()
    sockets[client] = websocket
    try:
        while True:
            message = await websocket.receive_json()
            hook = {"client": client, "content": message["content"]}
            async with sessions[0].post(WEBHOOK, json=hook) as answer:
                await answer.read()
            await websocket.send_json({"type": "ack" if answer.ok else "error", "id": message["id"]})
    except WebSocketDisconnect:
        sockets.pop(client, None)


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(app, ws_per_message_deflate=False, log_level="warning")
    uvicorn.Server(config).run([listening])
