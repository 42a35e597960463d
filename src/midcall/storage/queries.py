"""SQL lives in files: statements by name in `sql/`, schema steps by number in `migrations/`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, Final, TypeAlias

import apsw

Row: TypeAlias = tuple[Any, ...]
"""What the database gives; `rows` builds records of it."""
Bindings: TypeAlias = Mapping[str, object] | tuple[object, ...]

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_STEP: Final = re.compile(r"(\d{4})_\w+\.sql")


class SchemaTooNew(Exception):
    """The file was written by a newer Midcall."""


def load(folder: str = "sql") -> Mapping[str, str]:
    """All statements by name. A statement reaches from its `-- name:` line to the next one."""
    statements: dict[str, str] = {}
    for file in resources.files("midcall.storage").joinpath(folder).iterdir():
        if not file.name.endswith(".sql"):
            continue
        _, *parts = _NAME.split(file.read_text(encoding="utf-8"))
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            if name in statements:
                raise ValueError(f"two statements are called {name}")
            statements[name] = text.strip()
    return statements


def migrations(folder: str = "migrations") -> Mapping[int, str]:
    """Schema steps by number, in order."""
    files = resources.files("midcall.storage").joinpath(folder).iterdir()
    steps = {int(match[1]): file for file in files if (match := _STEP.fullmatch(file.name))}
    return {number: steps[number].read_text(encoding="utf-8") for number in sorted(steps)}


def migrate(db: apsw.Connection, steps: Mapping[int, str]) -> None:
    """Bring the file to the newest schema, in one transaction.

    Raises:
        SchemaTooNew: the file has a later step than this program knows.
    """
    newest = max(steps)
    with db:
        version = int(db.pragma("user_version"))
        if version > newest:
            raise SchemaTooNew(f"the database has schema {version}, this Midcall knows up to {newest}")
        for number, step in steps.items():
            if number > version:
                db.execute(step)
        db.execute(f"PRAGMA user_version = {newest}")


SQL: Final = load()


def run(db: apsw.Connection, name: str, bindings: Bindings = ()) -> Iterator[Row]:
    """The rows of a named statement; one that returns none has run to its end."""
    return db.execute(SQL[name], bindings)


def first(db: apsw.Connection, name: str, bindings: Bindings = ()) -> Row | None:
    """The first row of a named statement."""
    return db.execute(SQL[name], bindings).fetchone()


def value(db: apsw.Connection, name: str, bindings: Bindings = ()) -> Any:
    """The only column of the only row of a named statement."""
    ((found,),) = db.execute(SQL[name], bindings).fetchall()
    return found
