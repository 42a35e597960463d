"""Pages of lists, by row order: a list's statement ends in its conditions, the page decides the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Final, TypeAlias, TypeVar

import apsw

from midcall.ports import PageRequest, PageResult
from midcall.storage.queries import SQL, Row
from midcall.storage.rows import key

T = TypeVar("T")
Where: TypeAlias = Mapping[str, str | bytes | float | int | None]

_OLDER: Final = "\nAND row < :bound ORDER BY row DESC LIMIT :count"
_NEWER: Final = "\nAND row > :bound ORDER BY row LIMIT :count"
_ABOVE_ALL: Final = 2**63 - 1


def page(
    db: apsw.Connection,
    name: str,
    where: Where,
    request: PageRequest,
    place: str,
    prefix: str,
    record: Callable[[Row], T],
    sid_of: Callable[[T], str] = attrgetter("sid"),
    statements: Mapping[str, str] = SQL,
) -> PageResult[T]:
    """Run the list statement `name`, whose rows begin with their `row` number.

    A sid that is none of its owner's rows gives an empty page.

    Args:
        place: the statement that finds the row number of a sid among its owner's.
        prefix: of the sids that the request names.
        record: makes a record of a row without its number; `sid_of` names it.
        statements: where `name` and `place` are.
    """
    statement = statements[name]
    anchor = request.first or request.after or request.before
    bound = _ABOVE_ALL
    if anchor is not None:
        found = db.execute(statements[place], {**where, "sid": key(anchor, prefix)}).fetchone()
        if found is None:
            return PageResult((), has_next=False, has_previous=False)
        bound = found[0] + (anchor == request.first)
    backwards = anchor is not None and anchor == request.before
    limits = {**where, "bound": bound, "count": request.size + 1}
    rows = db.execute(statement + (_NEWER if backwards else _OLDER), limits).fetchall()
    more = len(rows) > request.size
    records = [record(row[1:]) for row in rows[: request.size]]
    if backwards:
        return PageResult(records[::-1], has_next=True, has_previous=more, following=anchor)
    following = sid_of(record(rows[request.size][1:])) if more else None
    return PageResult(records, has_next=more, has_previous=anchor is not None, following=following)
