"""The sound host: ringtone, digits and tones under the names by which the browser SDK fetches them.

Without the ringtone, an SDK tells its page of an incoming call two seconds late. `scripts/make_sounds.py` made them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from midcall.browser import cors

BASE: Final = "/js/client/sounds/releases/1.0.0"
NAMES: Final = (
    "cowbell",
    "disconnect",
    *(f"dtmf-{key}" for key in (*"0123456789", "hash", "star")),
    "incoming",
    "outgoing",
)
FOLDER: Final = Path(__file__).parent / "sounds"

_HEADERS: Final = {
    **cors.OPEN,
    hdrs.CONTENT_TYPE: "audio/mpeg",
    hdrs.CACHE_CONTROL: "public, max-age=3600",
}


async def sound(request: web.Request) -> web.StreamResponse:
    """One of `NAMES`; its query (`?cache=…`) says nothing to us."""
    name = request.match_info["name"]
    if name not in NAMES:
        raise web.HTTPNotFound(headers=cors.OPEN)
    return web.FileResponse(FOLDER / f"{name}.mp3", headers=_HEADERS)


async def describe(request: web.Request) -> web.Response:
    return cors.preflight(request, "GET, HEAD", "Range")


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_get(BASE + "/{name}.mp3", sound)
    router.add_options(BASE + "/{name}.mp3", describe)
