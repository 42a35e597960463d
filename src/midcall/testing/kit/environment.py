"""The environment in which helper libraries find the server, with no line of the application changed."""

from __future__ import annotations

import importlib.util
import os
import ssl
from collections.abc import Mapping
from functools import partial
from typing import Any

import aiohttp
import pytest

from midcall.redirect.environment import Variables

PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def apply(variables: Variables, patch: pytest.MonkeyPatch) -> None:
    """Set and unset variables of this process until the patch is undone; asynchronous clients of the official library
    read them from then on as well."""
    for name, value in variables.items():
        if value is None:
            patch.delenv(name, raising=False)
        else:
            patch.setenv(name, value)
    if any(variables.get(name) for name in PROXIES):
        _let_asynchronous_clients_read_it(patch, variables.get("SSL_CERT_FILE"))


def whole(variables: Variables, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a program is started with, so that it finds the server.

    Args:
        environment: what it would have without; this process's when left out.
    """
    merged = dict(os.environ if environment is None else environment)
    for name, value in variables.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = value
    return merged


def _let_asynchronous_clients_read_it(patch: pytest.MonkeyPatch, bundle: str | None) -> None:
    # aiohttp obeys proxy variables only when its session is told to, for which the library has no argument; and it
    # has read the system's authorities once and for all when it was imported.
    if importlib.util.find_spec("twilio") is None:
        return
    try:
        from twilio.http import async_http_client
    except ImportError:  # an old release, or one without its asynchronous half
        return
    patch.setattr(async_http_client, "ClientSession", partial(_session, bundle))


def _session(bundle: str | None, *args: Any, **kwargs: Any) -> aiohttp.ClientSession:
    if "connector" not in kwargs:
        kwargs["connector"] = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=bundle))
    return aiohttp.ClientSession(*args, **{"trust_env": True, **kwargs})
