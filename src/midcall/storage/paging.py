"""Pages of rows in memory, the way `verbs.pages` makes them of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from midcall.ports import PageRequest, PageResult

T = TypeVar("T")


def page_of(
    mine: Iterable[T], wanted: Callable[[T], bool], sid: Callable[[T], str], page: PageRequest
) -> PageResult[T]:
    """A page of the wanted rows among an owner's, which are given oldest first.

    A sid that is none of the owner's rows gives an empty page.
    """
    newest_first = list(mine)[::-1]
    anchor = page.first or page.after or page.before
    place = 0
    if anchor is not None:
        found = next((i for i, row in enumerate(newest_first) if sid(row) == anchor), None)
        if found is None:
            return PageResult((), has_next=False, has_previous=False)
        place = found + (anchor == page.after)
    newer = [row for row in newest_first[:place] if wanted(row)]
    older = [row for row in newest_first[place:] if wanted(row)]
    if anchor is not None and anchor == page.before:
        return PageResult(newer[-page.size :], has_next=True, has_previous=len(newer) > page.size, following=anchor)
    more = len(older) > page.size
    following = sid(older[page.size]) if more else None
    return PageResult(older[: page.size], has_next=more, has_previous=anchor is not None, following=following)
