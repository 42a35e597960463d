"""Reads a request's parameters from its query or its body, never more than the limits allow."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import BodyPartReader, hdrs, web
from aiohttp.http import HttpProcessingError

from midcall.core import errors
from midcall.core.errors import Refused
from midcall.wire import forms
from midcall.wire.forms import Fields, Unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """How much, and how long, a body may take."""

    bytes: int = 1024 * 1024
    wait_s: float = 30.0


async def read_fields(request: web.Request, limits: BodyLimits) -> Fields:
    """The parameters of a POST.

    Raises:
        Refused: BODY_TOO_LARGE, MESSAGE_WRONG_TYPE for a body that is neither form nor JSON, or PARAMETER_INVALID.
    """
    if request.content_length is not None and request.content_length > limits.bytes:
        raise Refused(errors.BODY_TOO_LARGE)
    try:
        if request.content.is_eof():  # all of it came with the head
            return await _read(request, limits)
        async with asyncio.timeout(limits.wait_s):
            return await _read(request, limits)
    except TimeoutError:
        raise Refused(errors.PARAMETER_INVALID, "The request body did not arrive in time") from None
    except web.HTTPRequestEntityTooLarge:
        raise Refused(errors.BODY_TOO_LARGE) from None
    except Unreadable as problem:
        raise Refused(errors.PARAMETER_INVALID, f"The request body cannot be read: {problem}") from None


def read_query(request: web.Request) -> Fields:
    """The parameters of a GET; its body, if it has one, is none of our business.

    Raises:
        Refused: PARAMETER_INVALID.
    """
    try:
        return forms.read_query(request.rel_url.raw_query_string)
    except Unreadable as problem:
        raise Refused(errors.PARAMETER_INVALID, f"The query cannot be read: {problem}") from None


async def _read(request: web.Request, limits: BodyLimits) -> Fields:
    if request.content_type == forms.MULTIPART:
        return await _multipart(request, limits)
    body = await request.read()
    if not body:
        return forms.NO_FIELDS
    if request.content_type == forms.FORM:
        return forms.read_form(body)
    if request.content_type == forms.JSON or request.content_type.endswith("+json"):
        return forms.read_json(body)
    raise Refused(errors.MESSAGE_WRONG_TYPE)


async def _multipart(request: web.Request, limits: BodyLimits) -> Fields:
    """Parts by name; nested parts are refused. Their sum is bounded like every other body."""
    pairs: list[tuple[str, str]] = []
    left = limits.bytes
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.name is None or _is_encoded(part):
                raise Unreadable("its parts are not plain named fields")
            if len(pairs) == forms.MAX_FIELDS:
                raise Unreadable(f"more than {forms.MAX_FIELDS} parameters")
            value = await _value(part, left)
            left -= len(value)
            pairs.append((part.name, value.decode()))
    except Unreadable:
        raise
    # aiohttp's ways to say "malformed"; UnicodeDecodeError is a ValueError.
    except (ValueError, AssertionError, RuntimeError, HttpProcessingError):
        raise Unreadable("its parts are malformed") from None
    return Fields(pairs)


async def _value(part: BodyPartReader, most: int) -> bytes:
    value = bytearray()
    while chunk := await part.read_chunk():
        value += chunk
        if len(value) > most:
            raise Refused(errors.BODY_TOO_LARGE)
    return bytes(value)


def _is_encoded(part: BodyPartReader) -> bool:
    """RFC 7578, section 4.7: transfer encodings are deprecated; nobody gets to send us a decompression bomb."""
    plain = part.headers.get(hdrs.CONTENT_TRANSFER_ENCODING, "binary").lower() in ("7bit", "8bit", "binary")
    return not plain or hdrs.CONTENT_ENCODING in part.headers
