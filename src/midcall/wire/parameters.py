"""Typed forms: which parameters a request has, how each is read, and which rule refuses it.

A form is declared once, as a struct whose annotations name the kinds below. Reading a request and describing it in
the OpenAPI document both walk that declaration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, NamedTuple, Protocol, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from midcall.core import errors, sids
from midcall.core.errors import Refused, Rule
from midcall.wire.dates import Instant, parse_instant
from midcall.wire.forms import Fields
from midcall.wire.urls import callback_url_problem

Schema = Mapping[str, object]

HTTP_METHODS: Final = ("GET", "POST")


class Kind(Protocol):
    """How one parameter is read."""

    @property
    def rule(self) -> Rule:
        """What refuses an unusable value."""

    @property
    def keeps_empty(self) -> bool:
        """An empty text is a value (it clears something); otherwise it counts as not sent."""

    def read(self, name: str, texts: Sequence[str]) -> object:
        """The value of a parameter that was sent at least once.

        Raises:
            Refused: the rule.
        """

    def schema(self) -> Schema:
        """Its JSON schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Any text up to a length in code points."""

    max_chars: int = 256
    rule: Rule = errors.PARAMETER_TOO_LONG
    keeps_empty: bool = False
    pattern: str | None = None

    def read(self, name: str, texts: Sequence[str]) -> str:
        text = texts[-1]
        if len(text) > self.max_chars:
            raise Refused(self.rule, f"{name} is longer than {self.max_chars} characters")
        if self.pattern is not None and re.fullmatch(self.pattern, text, re.ASCII) is None:
            raise Refused(self.rule)
        return text

    def schema(self) -> Schema:
        schema: dict[str, object] = {"type": "string", "maxLength": self.max_chars}
        return schema if self.pattern is None else schema | {"pattern": f"^{self.pattern}$"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RawText:
    """A text that the use case judges itself, the empty one included."""

    about: str
    rule: Rule
    keeps_empty: bool = True

    def read(self, name: str, texts: Sequence[str]) -> str:
        return texts[-1]

    def schema(self) -> Schema:
        return {"type": "string", "description": self.about}


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """An absolute http or https URL. With `clears`, an empty text stands for "no URL any more"."""

    rule: Rule = errors.URL_INVALID
    clears: bool = False

    @property
    def keeps_empty(self) -> bool:
        return self.clears

    def read(self, name: str, texts: Sequence[str]) -> str:
        url = texts[-1]
        problem = callback_url_problem(url) if url else None
        if problem is not None:
            raise Refused(self.rule, f"{name} is not a valid URL: {problem}")
        return url

    def schema(self) -> Schema:
        return {"type": "string", "format": "uri"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """GET or POST, in any case."""

    rule: Rule = errors.METHOD_INVALID
    keeps_empty: bool = False

    def read(self, name: str, texts: Sequence[str]) -> str:
        method = texts[-1].upper()
        if method not in HTTP_METHODS:
            raise Refused(self.rule, f"{name} must be GET or POST")
        return method

    def schema(self) -> Schema:
        return {"type": "string", "format": "http-method", "enum": list(HTTP_METHODS)}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words. Where the empty text is kept it stands for "none any more"."""

    words: tuple[str, ...]
    rule: Rule = errors.PARAMETER_INVALID
    keeps_empty: bool = False

    def read(self, name: str, texts: Sequence[str]) -> str:
        if texts[-1] and texts[-1] not in self.words:
            raise Refused(self.rule, f"{name} must be one of: {', '.join(self.words)}")
        return texts[-1]

    def schema(self) -> Schema:
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Words:
    """Several of some words: the parameter repeated, words apart by spaces, or a JSON array."""

    words: tuple[str, ...]
    rule: Rule = errors.PARAMETER_INVALID
    keeps_empty: bool = False

    def read(self, name: str, texts: Sequence[str]) -> tuple[str, ...]:
        chosen = dict.fromkeys(word for text in texts for word in _split(text))
        unknown = [word for word in chosen if word not in self.words]
        if unknown:
            raise Refused(self.rule, f"{name} may contain: {', '.join(self.words)}")
        return tuple(chosen)

    def schema(self) -> Schema:
        return {"type": "array", "items": {"type": "string", "enum": list(self.words)}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer:
    """A whole number within bounds."""

    least: int
    most: int
    rule: Rule = errors.PARAMETER_INVALID
    keeps_empty: bool = False

    def read(self, name: str, texts: Sequence[str]) -> int:
        number = whole(texts[-1])
        if number is None or not self.least <= number <= self.most:
            raise Refused(self.rule, f"{name} must be a whole number from {self.least} to {self.most}")
        return number

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """True or false in any case, or 1 and 0."""

    rule: Rule = errors.PARAMETER_INVALID
    keeps_empty: bool = False

    def read(self, name: str, texts: Sequence[str]) -> bool:
        try:
            return {"true": True, "1": True, "false": False, "0": False}[texts[-1].lower()]
        except KeyError:
            raise Refused(self.rule, f"{name} must be true or false") from None

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sid:
    """A sid of one kind, folded to lower case. Where the empty text is kept it stands for "none any more"."""

    prefix: str
    rule: Rule = errors.PARAMETER_INVALID
    keeps_empty: bool = False

    def read(self, name: str, texts: Sequence[str]) -> str:
        if not texts[-1]:
            return ""
        sid = sids.parse(texts[-1], self.prefix)
        if sid is None:
            raise Refused(self.rule, f"{name} must be {self.prefix} and 32 hexadecimal digits")
        return sid

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 34, "maxLength": 34, "pattern": sid_pattern(self.prefix)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """A day or an instant of a list filter."""

    rule: Rule = errors.PARAMETER_INVALID
    keeps_empty: bool = False

    def read(self, name: str, texts: Sequence[str]) -> Instant:
        instant = parse_instant(texts[-1])
        if instant is None:
            raise Refused(self.rule, f"{name} must be YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ")
        return instant

    def schema(self) -> Schema:
        return {"type": "string", "format": "date-time"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lenient:
    """A whole number from `least`; what is not one counts as the default, more than `most` is refused."""

    least: int
    most: int | None
    default: int
    rule: Rule = errors.PAGE_SIZE_TOO_LARGE
    keeps_empty: bool = False

    def read(self, name: str, texts: Sequence[str]) -> int:
        number = whole(texts[-1])
        if number is None or number < self.least:
            return self.default
        if self.most is not None and number > self.most:
            raise Refused(self.rule)
        return number

    def schema(self) -> Schema:
        schema: dict[str, object] = {"type": "integer", "minimum": self.least}
        return schema if self.most is None else schema | {"maximum": self.most}


class Named(NamedTuple):
    """The parameter's name where it is not the field's in PascalCase."""

    name: str


class Required(NamedTuple):
    """The parameter must be sent; the rule, and the words, when it is not."""

    rule: Rule
    detail: str | None = None


class Extension(NamedTuple):
    """The parameter is not the vendor's."""


class Inert(NamedTuple):
    """The parameter is judged like every other and changes nothing here.

    Attributes:
        why: half a sentence for the reference page.
        surprises: whoever sends it expects something to happen, and is to be told that it does not.
    """

    why: str
    surprises: bool = False


class OneOf(NamedTuple):
    """At least one of some fields is needed; judged after the last of them was read."""

    fields: tuple[str, ...]
    rule: Rule


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all request forms: parameters are read, and refused, in the order of the fields."""

    one_of: ClassVar[OneOf | None] = None


class Nothing(Form, frozen=True, kw_only=True):
    """The form of a request without parameters."""


F = TypeVar("F", bound=Form)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter of a form."""

    field: str
    name: str
    kind: Kind
    required: Required | None
    default: object
    extension: bool = False
    inert: Inert | None = None

    def read(self, fields: Fields) -> object:
        texts = fields.all(self.name)
        if texts and (texts[-1] or self.kind.keeps_empty):
            return self.kind.read(self.name, texts)
        if self.required is not None:
            raise Refused(self.required.rule, self.required.detail)
        return self.default


def read(form: type[F], fields: Fields) -> F:
    """Read a form from what was sent.

    Raises:
        Refused: the rule of the first parameter, in declared order, that is missing or unusable.
    """
    values: dict[str, Any] = {}
    for parameter in parameters(form):
        values[parameter.field] = parameter.read(fields)
        _check_one_of(form.one_of, parameter.field, values)
    return form(**values)


def _check_one_of(group: OneOf | None, field: str, values: Mapping[str, object]) -> None:
    if group is not None and field == group.fields[-1] and all(values[name] is None for name in group.fields):
        raise Refused(group.rule)


def surprises(form: Form) -> Sequence[Parameter]:
    """Parameters that were sent, ask for something, and get nothing here."""
    return [
        parameter
        for parameter in parameters(type(form))
        if parameter.inert is not None and parameter.inert.surprises and getattr(form, parameter.field)
    ]


_DECLARED: Final[dict[type[Form], tuple[Parameter, ...]]] = {}


def parameters(form: type[Form]) -> tuple[Parameter, ...]:
    """The declared parameters of a form, in order."""
    if form not in _DECLARED:
        hints = get_type_hints(form, include_extras=True)
        _DECLARED[form] = tuple(_parameter(info, hints[info.name]) for info in msgspec.structs.fields(form))
    return _DECLARED[form]


def _parameter(info: msgspec.structs.FieldInfo, hint: object) -> Parameter:
    assert get_origin(hint) is Annotated, f"{info.name} names no kind"
    _, *marks = get_args(hint)
    named = next((mark.name for mark in marks if isinstance(mark, Named)), _pascal(info.name))
    required = next((mark for mark in marks if isinstance(mark, Required)), None)
    kind: Kind = next(mark for mark in marks if not isinstance(mark, (Named, Required, Extension, Inert)))
    default = None if info.default is msgspec.NODEFAULT else info.default
    extension = any(isinstance(mark, Extension) for mark in marks)
    inert = next((mark for mark in marks if isinstance(mark, Inert)), None)
    return Parameter(info.name, named, kind, required, default, extension, inert)


def _pascal(field: str) -> str:
    return "".join(word.capitalize() for word in field.split("_"))


def _split(text: str) -> Sequence[str]:
    if text.startswith("["):
        try:
            return msgspec.json.decode(text, type=list[str])
        except msgspec.DecodeError:
            return (text,)
    return text.split()


def whole(text: str) -> int | None:
    """A whole number of at most nine digits in ASCII, or None. JSON may spell it `5.0`."""
    found = re.fullmatch(r"(\d{1,9})(?:\.0{1,9})?", text.strip(), re.ASCII)
    return int(found[1]) if found else None


def sid_pattern(prefix: str) -> str:
    return f"^{prefix}[0-9a-fA-F]{{32}}$"
