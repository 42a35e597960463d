"""Cross-origin answers: these resources are for pages of any site, and no cookie or login opens them."""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web

OPEN: Final = {
    hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
    # pages that isolate themselves (COEP) load only what says so
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_MAX_AGE_S: Final = 7_200  # Chromium's limit


def preflight(request: web.Request, methods: str, headers: str) -> web.Response:
    """Answer the OPTIONS request that comes before a page's request."""
    answer = {
        **OPEN,
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: methods,
        hdrs.ACCESS_CONTROL_ALLOW_HEADERS: headers,
        hdrs.ACCESS_CONTROL_MAX_AGE: str(_MAX_AGE_S),
    }
    if request.headers.get("Access-Control-Request-Private-Network") == "true":
        answer["Access-Control-Allow-Private-Network"] = "true"
    return web.Response(status=204, headers=answer)
