"""Lists in pages: what a client asks for, and the paging keys around the one array of the answer.

A page is found by its token, `PA` and the sid with which it begins, or `PB` and the sid before which it ends; `Page` is
only an echo. The next page begins with a row that was not shown yet, so that clients may delete what they were shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final
from urllib.parse import quote, urlencode

import msgspec

from midcall.core import errors, sids
from midcall.core.errors import Refused
from midcall.wire.parameters import Form, Lenient, Text

DEFAULT_PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 1_000
PAGING_NAMES: Final = ("PageSize", "Page", "PageToken")

_AT: Final = "PA"
_BEFORE: Final = "PB"
_PLACE: Final = r"P[AB]([A-Za-z]{2}[0-9a-fA-F]{32}|\d{1,9})"
"""Of a list of rows with sids, or of events, which have numbers."""


class PageForm(Form, frozen=True, kw_only=True):
    """Parameters of every list."""

    page_size: Annotated[int, Lenient(least=1, most=MAX_PAGE_SIZE, default=DEFAULT_PAGE_SIZE)] = DEFAULT_PAGE_SIZE
    page: Annotated[int, Lenient(least=0, most=None, default=0)] = 0
    page_token: Annotated[str | None, Text(max_chars=64, rule=errors.PARAMETER_INVALID, pattern=_PLACE)] = None

    def position(self, prefix: str) -> tuple[str | None, str | None]:
        """(first, before): the sid that the token names, for a list of sids with that prefix.

        Raises:
            Refused: PARAMETER_INVALID for a token that this list never gave out.
        """
        if self.page_token is None:
            return None, None
        sid = sids.parse(self.page_token[2:], prefix)
        if sid is None or self.page_token[:2] not in (_AT, _BEFORE):
            raise Refused(errors.PARAMETER_INVALID, "PageToken does not belong to this list")
        return (sid, None) if self.page_token.startswith(_AT) else (None, sid)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Paging keys of a list; a list's struct adds its array. URIs are relative to the host."""

    uri: str
    first_page_uri: str
    next_page_uri: str | None
    previous_page_uri: str | None
    page: int
    page_size: int
    start: int
    end: int


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """Paging keys of a list of the vendor's newer products. URLs are absolute."""

    key: str
    page: int
    page_size: int
    first_page_url: str
    previous_page_url: str | None
    url: str
    next_page_url: str | None


class Links:
    """Writes the page URIs of one answered list: the filters stay, the position changes."""

    __slots__ = ("_filters", "_form", "_path")

    def __init__(self, path: str, filters: Iterable[tuple[str, str]], form: PageForm) -> None:
        self._path = path
        self._filters = [(name, value) for name, value in filters if name not in PAGING_NAMES]
        self._form = form

    def here(self) -> str:
        return self._uri(self._form.page, self._form.page_token)

    def first(self) -> str:
        return self._uri(0, None)

    def at(self, sid: str) -> str:
        return self._uri(self._form.page + 1, _AT + sid)

    def before(self, sid: str) -> str:
        return self._uri(max(0, self._form.page - 1), _BEFORE + sid)

    def _uri(self, page: int, token: str | None) -> str:
        pairs = [*self._filters, ("PageSize", str(self._form.page_size)), ("Page", str(page))]
        if token is not None:
            pairs.append(("PageToken", token))
        return f"{self._path}?{urlencode(pairs, quote_via=quote)}"
