"""An official client: what it is, how it is started, and the test of all that it has to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from clients.operations import OPERATIONS, Tour, perform
from clients.programs import ProgramFailed, running
from clients.stage import Stage
from clients.table import NO, NOT_APPLICABLE, NOT_AVAILABLE, YES, Row, print_or_compare


@dataclass(frozen=True, slots=True)
class Client:
    """One row of the table of compatibility.

    Attributes:
        version: of the library, which its program confirms; None when it is the system's.
        operations, sample: commands; both take the vendor's addresses for granted.
        variables: further environment of both.
        not_applicable: reasons by operation.
        unavailable: the last words of a version's program that cannot even start; nothing else is asked of it.
    """

    name: str
    version: str | None
    operations: tuple[str, ...]
    sample: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    not_applicable: Mapping[str, str] = field(default_factory=dict)
    unavailable: str | None = None

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
    if client.unavailable is not None:
        await _check_unavailable(client, client.unavailable, stage)
        return
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


async def _check_unavailable(client: Client, expected: str, stage: Stage) -> None:
    """The version cannot do it, and still says why in these words; the table shows them."""
    assert client.version is not None
    async with running((*stage.exec_command, *client.operations), client.variables) as program:
        try:
            await program.do("version")
        except ProgramFailed as failed:
            words = str(failed).splitlines()[-1]
        else:
            raise AssertionError(f"{client} is available after all")
    assert words == expected
    print_or_compare(Row(client.name, client.version, dict.fromkeys(OPERATIONS, NOT_AVAILABLE), f"`{words}`"))
