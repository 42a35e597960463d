"""What a person can do in a call, as data: the table of actions, their arguments, and scripts made of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from midcall.testing.people.problems import Unusable, in_full
from midcall.testing.people.rules import seconds

MAX_STEPS: Final = 200

Duration = float | str
Text = Annotated[str, Meta(max_length=256)]


class Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what an action takes."""


class Nothing(Arguments, frozen=True, kw_only=True):
    """Actions without arguments."""


class Mute(Arguments, frozen=True, kw_only=True):
    on: bool = True


class Speak(Arguments, frozen=True, kw_only=True):
    """One of: a label, a tone, a WAV file (base64, 16-bit PCM).

    Attributes:
        last: how long (`for`); None: a tone until `stop_speaking`, a file to its end.
    """

    label: Text | None = None
    tone_hz: Annotated[int, Meta(ge=1, lt=4000)] | None = None
    level_dbfs: Annotated[float, Meta(le=0, ge=-90)] = -6.0
    file: Text | None = None
    wav: str | None = None
    last: Duration | None = msgspec.field(name="for", default=None)


class ExpectSound(Arguments, frozen=True, kw_only=True):
    label: Text | None = None
    tone_hz: Annotated[int, Meta(ge=1, lt=4000)] | None = None
    level_above_dbfs: Annotated[float, Meta(le=0, ge=-90)] | None = None
    timeout: Duration | None = None


class ExpectDigits(Arguments, frozen=True, kw_only=True):
    digits: Annotated[str, Meta(min_length=1, max_length=256, pattern="^[0-9A-D*#]+$")]
    timeout: Duration | None = None


class SendDigits(Arguments, frozen=True, kw_only=True):
    digits: Annotated[str, Meta(min_length=1, max_length=256, pattern="^[0-9*#w]+$")]


class SendMessage(Arguments, frozen=True, kw_only=True):
    content: Any
    message_type: Text = "user-defined-message"
    content_type: Text | None = None
    wait: bool = True
    timeout: Duration | None = None


class ExpectMessage(Arguments, frozen=True, kw_only=True):
    content: Any = msgspec.UNSET
    timeout: Duration | None = None


class Expect(Arguments, frozen=True, kw_only=True):
    event: Text | None = None
    status: Literal["pending", "connecting", "ringing", "open", "reconnecting", "closed"] | None = None
    timeout: Duration | None = None


class ExpectEnd(Arguments, frozen=True, kw_only=True):
    timeout: Duration | None = None


class Quiet(Arguments, frozen=True, kw_only=True):
    """`says_nothing_for` and `hears_nothing_for`."""

    last: Duration = msgspec.field(name="for", default=1.0)


class Feedback(Arguments, frozen=True, kw_only=True):
    score: Annotated[int, Meta(ge=1, le=5)] | None = None
    issue: Text | None = None


class Misbehave(Arguments, frozen=True, kw_only=True):
    how: Literal["no_answer", "malformed_frame", "double_answer", "late_hang_up"]
    by: Duration = 0.5


ACTIONS: Final[Mapping[str, type[Arguments]]] = {
    "accept": Nothing,
    "reject": Nothing,
    "ignore": Nothing,
    "hang_up": Nothing,
    "mute": Mute,
    "speak": Speak,
    "stop_speaking": Nothing,
    "expect_sound": ExpectSound,
    "send_digits": SendDigits,
    "expect_digits": ExpectDigits,
    "send_message": SendMessage,
    "expect_message": ExpectMessage,
    "expect": Expect,
    "expect_end": ExpectEnd,
    "says_nothing_for": Quiet,
    "hears_nothing_for": Quiet,
    "feedback": Feedback,
    "misbehave": Misbehave,
}

WAITS: Final = frozenset({"ring", "listen", "wait"})
"""Steps of scripts that only let time pass."""

_SYNONYMS: Final = {"answer": "accept"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a script: an action with its arguments, or a wait in seconds."""

    name: str
    arguments: Arguments | None
    wait_s: float = 0.0


def arguments_of(action: str, value: Any) -> Arguments:
    """Read an action's arguments, which are a JSON object.

    Raises:
        Unusable: there is no such action, or these are not its arguments.
    """
    kind = ACTIONS.get(action)
    if kind is None:
        raise Unusable(f"there is no action {action[:40]!r}; there are {', '.join(ACTIONS)}")
    try:
        arguments = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Unusable(f"{action} cannot be used like this: {in_full(error, kind)}") from None
    for name in ("timeout", "last", "by"):
        if (duration := getattr(arguments, name, None)) is not None:
            seconds_of(duration)
    return arguments


def seconds_of(value: Duration) -> float:
    """`rules.seconds` with the error that is told to developers.

    Raises:
        Unusable: it is no duration.
    """
    try:
        return seconds(value)
    except ValueError as error:
        raise Unusable(str(error)) from None


def script_of(value: Any) -> Sequence[Step]:
    """Read a script: a list of objects with one key each, an action or a wait; to listen for something is to expect it.

    Raises:
        Unusable: it is none; the text names the step.
    """
    if not isinstance(value, list) or len(value) > MAX_STEPS:
        raise Unusable(
            f'a script is a list of at most {MAX_STEPS} steps such as {{"ring": "2s"}} or {{"answer": {{}}}}'
        )
    return tuple(_step(number, step) for number, step in enumerate(value, 1))


def _step(number: int, value: Any) -> Step:
    if not isinstance(value, dict) or len(value) != 1:
        raise Unusable(f'step {number} is no object with one key, such as {{"answer": {{}}}}')
    key, argument = next(iter(value.items()))
    name = str(key)
    try:
        if name == "listen" and isinstance(argument, dict):
            name = "expect_digits" if "digits" in argument else "expect_sound"
        if name in WAITS:
            if isinstance(argument, bool) or not isinstance(argument, str | int | float):
                raise Unusable(f'{name} takes a duration, such as "2s"')
            return Step(name, None, seconds_of(argument))
        name = _SYNONYMS.get(name, name)
        if name not in ACTIONS:
            steps = ", ".join([*sorted(WAITS), *_SYNONYMS, *ACTIONS])
            raise Unusable(f"there is no step {name[:40]!r}; there are {steps}")
        return Step(name, arguments_of(name, argument))
    except Unusable as error:
        raise Unusable(f"step {number}: {error}") from None
