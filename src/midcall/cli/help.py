"""Help pages of commands: a switch takes no value, so none is shown beside it."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


def _without_values(parameters: list[Any]) -> list[Any]:
    # Typer describes a switch by the type of its variable, `<bool>`, which reads as if one had to be typed.
    for parameter in parameters:
        if getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
    return parameters


class Command(TyperCommand):
    """One command."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, as the help page lists them."""
        return _without_values(super().get_params(ctx))


class Program(TyperGroup):
    """The program around them."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, as the help page lists them."""
        return _without_values(super().get_params(ctx))
