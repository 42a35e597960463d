"""The page of compatibility shows the clients that are tested, and no others."""

from __future__ import annotations

from clients import catalog, table
from clients.recorded.replay import recorded


def test_the_table_has_a_row_for_each_client_and_no_other() -> None:
    tested = [(client.name, client.version) for client in catalog.ALL]
    tested += [(name, recorded(client)[0].version) for name, client in catalog.RECORDED.items()]
    printed = [tuple(line.removeprefix("| ").split(" | ")[:2]) for line in table.printed_rows()]
    curl = next(version for name, version in printed if name == "curl")  # the system's, so any will do
    assert sorted(printed) == sorted((name, version or curl) for name, version in tested), table.ADVICE


def test_the_table_has_the_columns_of_the_operations() -> None:
    assert table.header() in table.PAGE.read_text(encoding="utf-8"), table.ADVICE
