"""An official client: what it is, how it is started, and the test of all that it has to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from clients.operations import OPERATIONS, Tour, perform
from clients.programs import running
from clients.stage import Stage
from clients.table import NO, NOT_APPLICABLE, YES, Row, print_or_compare


@dataclass(frozen=True, slots=True)
class Client:
    """One row of the table of compatibility.

    Attributes:
        version: of the library, which its program confirms; None when it is the system's.
        operations, sample: commands; both take the vendor's addresses for granted.
        variables: further environment of both.
        not_applicable: reasons by operation.
    """

    name: str
    version: str | None
    operations: tuple[str, ...]
    sample: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    not_applicable: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name} {self.version}" if self.version else self.name

    @property
    def slug(self) -> str:
        return "".join(letter if letter.isalnum() else "-" for letter in str(self).lower())


async def check(client: Client, stage: Stage) -> None:
    """Let the client do everything, and compare what came of it with the table.

    Raises:
        AssertionError: something did not work, or the table says something else.
    """
    async with running((*stage.exec_command, *client.operations), client.variables) as program:
        version = str((await program.do("version"))["version"])
        assert client.version in (None, version), f"this is {version}"
        tour = Tour(client.slug, program, client.sample, stage)
        try:
            results, failures = await _results(client, tour)
        finally:
            await tour.close()
    notes = "; ".join(dict.fromkeys(client.not_applicable.values()))
    row = Row(client.name, version, results, notes)
    assert not failures, "\n".join(failures)
    print_or_compare(row, any_version=client.version is None)


async def _results(client: Client, tour: Tour) -> tuple[dict[str, str], list[str]]:
    results, failures = {}, []
    for operation in OPERATIONS:
        if operation in client.not_applicable:
            results[operation] = NOT_APPLICABLE
            continue
        failure = await perform(tour, operation)
        print(operation, failure or "went well")  # pytest shows it when something failed
        results[operation] = NO if failure else YES
        if failure:
            failures.append(failure)
    return results, failures
