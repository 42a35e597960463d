"""TwiML read from XML text.

A document that cannot be read raises `Unreadable`; what is merely odd becomes a warning and the default value,
and the rest of the document runs (docs/reference/twiml.md, Documents).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeVar, cast

from lxml import etree

from midcall.core import numbers
from midcall.core.twiml import (
    MAX_IDENTITY_CHARS,
    STATUS_EVENTS,
    Client,
    Dial,
    Document,
    Echo,
    Hangup,
    Method,
    Noun,
    Number,
    Pause,
    Problem,
    Reason,
    Redirect,
    Reject,
    StatusCallback,
    Unreadable,
    Verb,
)

MAX_NOUNS: Final = 10
MAX_PROBLEMS: Final = 50  # of one document; each becomes an alert, and a document may hold thousands
MAX_TIME_LIMIT_S: Final = 86_400
MAX_RING_S: Final = 600
VERSIONS: Final = ("1", "1.0")
BLANK: Final = " \t\r\n\ufeff"

_DIGITS: Final = re.compile(r"[0-9A-D#*wW]{1,32}", re.ASCII)
_DECLARATION: Final = re.compile(r"<\?xml\s.*?\?>", re.DOTALL)

NOT_YET: Final = frozenset(
    {
        "Connect",
        "Enqueue",
        "Gather",
        "Leave",
        "Pay",
        "Play",
        "Prompt",
        "Record",
        "Refer",
        "Say",
        "Siprec",
        "Sms",
        "Start",
        "Stop",
        "Stream",
    }
)
"""Verbs of the language that this server does not carry out yet."""

NOUNS_NOT_YET: Final = frozenset(["Application", "Conference", "Queue", "Sim", "Sip"])

METHODS: Final[Mapping[str, Method]] = {"GET": "GET", "POST": "POST"}
REASONS: Final[Mapping[str, Reason]] = {"rejected": "rejected", "busy": "busy"}
T = TypeVar("T")


def parse(text: str) -> Document:
    """Read a TwiML document; its problems come in document order. Empty text is an empty document.

    Raises:
        Unreadable: 12100 not well-formed (or with a document type), 12101 another version, 12102 the root is not
            Response.
    """
    if not text.strip(BLANK):
        return Document(())
    root = _root(text)
    reader = _Reader()
    verbs = reader.response(root)
    return Document(verbs, reader.reported())


def _root(text: str) -> etree._Element:
    try:
        root = etree.fromstring(*_source(text))
    except etree.XMLSyntaxError as error:
        raise Unreadable(12100, error.lineno or None, f"the document is not well-formed XML: {error.msg}") from None
    except UnicodeEncodeError:
        raise Unreadable(12100, None, "the document has characters that XML does not allow") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise Unreadable(12100, None, "a document type declaration is not allowed")
    if root.tag != "Response":
        raise Unreadable(12102, _line(root), f"the root element is <{_name(root)}>, it must be <Response>")
    version = root.get("version")
    if version is not None and str(version).strip() not in VERSIONS:
        raise Unreadable(12101, _line(root), f"version={str(version)[:64]!r} is unknown")
    return root


def _source(text: str) -> tuple[bytes, etree.XMLParser]:
    """What to parse and how. The text was decoded before, whatever its XML declaration says of bytes. Blank lines
    before the document are common and against the standard; their number is kept for line numbers."""
    body = text.lstrip(BLANK)
    blank_lines = text[: len(text) - len(body)].count("\n")
    declaration = _DECLARATION.match(body)
    if declaration is not None:
        blank_lines += declaration[0].count("\n")
        body = body[declaration.end() :]
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    return b"\n" * blank_lines + body.encode(), parser


def _line(element: etree._Element) -> int:
    return cast("int", element.sourceline)  # every parsed element has one


def _name(element: etree._Element) -> str:
    return str(element.tag)[:64]


def _own_text(element: etree._Element) -> str:
    return "".join([element.text or "", *(child.tail or "" for child in element)]).strip()


def _text(element: etree._Element) -> str:
    return "".join(str(part) for part in element.itertext()).strip()


class _Reader:
    """Collects problems while elements become verbs."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def warn(self, code: int, element: etree._Element, reason: str) -> None:
        self.problems.append(Problem(code, _line(element), reason))

    def reported(self) -> tuple[Problem, ...]:
        """The problems by line, and no more than an app's developer can use."""
        problems = sorted(self.problems, key=lambda problem: problem.line)
        if len(problems) > MAX_PROBLEMS:
            line = problems[MAX_PROBLEMS - 1].line
            problems[MAX_PROBLEMS - 1 :] = [Problem(12200, line, "there are more problems from here on")]
        return tuple(problems)

    def response(self, root: etree._Element) -> tuple[Verb, ...]:
        self.attributes(root, {"version": 12101})
        return tuple(verb for element in root for verb in self.verb(element))

    def verb(self, element: etree._Element) -> Iterator[Verb]:
        build = _VERBS.get(str(element.tag))
        if build is not None:
            yield build(self, element)
        elif element.tag in NOT_YET:
            self.warn(12200, element, f"<{_name(element)}> is not carried out by this server yet; it is skipped")
        else:
            self.warn(12200, element, f"<{_name(element)}> is not a TwiML verb; it is skipped")

    def attributes(self, element: etree._Element, known: Mapping[str, int]) -> dict[str, tuple[str, int]]:
        """Known attributes with the code to warn with; unknown ones are a problem each."""
        found: dict[str, tuple[str, int]] = {}
        for name, value in element.attrib.items():
            key = str(name)
            if key in known:
                found[key] = (str(value), known[key])
            elif not key.startswith("{"):  # those of other namespaces (xsi:…) are nobody's business
                self.warn(12200, element, f"<{_name(element)}> has no attribute {key[:64]}; it is ignored")
        return found

    def value(
        self,
        element: etree._Element,
        found: Mapping[str, tuple[str, int]],
        name: str,
        read: Callable[[str], T | None],
        default: T,
    ) -> T:
        """One attribute, read; what cannot be read is a problem and gives the default."""
        if name not in found:
            return default
        text, code = found[name]
        value = read(text.strip())
        if value is None:
            self.warn(code, element, f"{name}={text[:64]!r} cannot be used; {default!r} is")
            return default
        return value

    # verbs

    def dial(self, element: etree._Element) -> Dial:
        found = self.attributes(element, _DIAL_ATTRIBUTES)
        for name in ("record", "recordingStatusCallback", "trim", "ringTone", "referUrl"):
            if name in found:
                self.warn(12200, element, f"{name} is not carried out by this server yet; it is ignored")
        return Dial(
            line=_line(element),
            nouns=self.nouns(element),
            action=self.value(element, found, "action", str, None),
            method=self.value(element, found, "method", _method, "POST"),
            timeout_s=self.value(element, found, "timeout", _between(1, MAX_RING_S), 30),
            time_limit_s=self.value(element, found, "timeLimit", _between(1, MAX_TIME_LIMIT_S), 14_400),
            caller_id=self.value(element, found, "callerId", _text_or_none, None),
            answer_on_bridge=self.value(element, found, "answerOnBridge", _boolean, False),
            hangup_on_star=self.value(element, found, "hangupOnStar", _boolean, False),
            sequential=self.value(element, found, "sequential", _boolean, False),
        )

    def nouns(self, dial: etree._Element) -> tuple[Noun, ...]:
        nouns: list[Noun] = []
        for child in dial:
            build = _NOUNS.get(str(child.tag))
            if build is not None and len(nouns) == MAX_NOUNS:
                self.warn(13215, child, f"<Dial> takes at most {MAX_NOUNS} nouns; the others are skipped")
                break
            if build is not None:
                nouns.extend(build(self, child))
            elif child.tag in NOUNS_NOT_YET:
                self.warn(12200, child, f"<{_name(child)}> cannot be reached by this server yet; it is skipped")
            else:
                self.warn(13215, child, f"<{_name(child)}> cannot stand in <Dial>; it is skipped")
        text = _own_text(dial)
        if text and nouns:
            self.warn(12200, dial, "a number beside the nouns of <Dial> is skipped; put it into <Number>")
        elif text:
            nouns.extend(self.plain_number(dial, text))
        return tuple(nouns)

    def plain_number(self, dial: etree._Element, text: str) -> Iterator[Number]:
        number = numbers.parse(text)
        if number is None:
            self.warn(13223, dial, f"{text[:64]!r} is no phone number in E.164 format; it is skipped")
        else:
            yield Number(line=_line(dial), number=number)

    def number(self, element: etree._Element) -> Iterator[Number]:
        found = self.attributes(element, _NUMBER_ATTRIBUTES)
        self.childless(element)
        for name in ("machineDetection", "byoc"):
            if name in found:
                self.warn(12200, element, f"{name} is not carried out by this server yet; it is ignored")
        for number in self.plain_number(element, _own_text(element)):
            yield replace(
                number,
                status_callback=self.status_callback(element, found),
                url=self.value(element, found, "url", _text_or_none, None),
                method=self.value(element, found, "method", _method, "POST"),
                send_digits=self.value(element, found, "sendDigits", _digits, ""),
            )

    def client(self, element: etree._Element) -> Iterator[Client]:
        found = self.attributes(element, _CLIENT_ATTRIBUTES)
        identity = _own_text(element)
        parameters: list[tuple[str, str]] = []
        for child in element:
            if child.tag == "Identity":
                identity = _text(child)
            elif child.tag == "Parameter":
                parameters.extend(self.parameter(child))
            else:
                self.warn(12200, child, f"<{_name(child)}> cannot stand in <Client>; it is skipped")
        if not identity or len(identity) > MAX_IDENTITY_CHARS:
            self.warn(13215, element, f"<Client> needs an identity of 1 to {MAX_IDENTITY_CHARS} characters")
            return
        yield Client(
            line=_line(element),
            identity=identity,
            parameters=tuple(parameters),
            status_callback=self.status_callback(element, found),
            url=self.value(element, found, "url", _text_or_none, None),
            method=self.value(element, found, "method", _method, "POST"),
        )

    def parameter(self, element: etree._Element) -> Iterator[tuple[str, str]]:
        found = self.attributes(element, {"name": 12200, "value": 12200})
        name, _ = found.get("name", ("", 12200))
        value, _ = found.get("value", ("", 12200))
        if name:
            yield name, value
        else:
            self.warn(12200, element, "<Parameter> needs a name; it is skipped")

    def status_callback(self, element: etree._Element, found: Mapping[str, tuple[str, int]]) -> StatusCallback | None:
        url = self.value(element, found, "statusCallback", _text_or_none, None)
        if url is None:
            return None
        return StatusCallback(
            url=url,
            method=self.value(element, found, "statusCallbackMethod", _method, "POST"),
            events=self.value(element, found, "statusCallbackEvent", status_events, ("completed",)),
        )

    def childless(self, element: etree._Element) -> None:
        for child in element:
            self.warn(12200, child, f"<{_name(child)}> cannot stand in <{_name(element)}>; it is skipped")

    def echo(self, element: etree._Element) -> Echo:
        self.childless(element)
        self.attributes(element, {})
        return Echo(line=_line(element))

    def hangup(self, element: etree._Element) -> Hangup:
        self.childless(element)
        self.attributes(element, {})
        return Hangup(line=_line(element))

    def pause(self, element: etree._Element) -> Pause:
        self.childless(element)
        found = self.attributes(element, {"length": 13910})
        length_s = self.value(element, found, "length", _between(0, MAX_TIME_LIMIT_S), 1)
        return Pause(line=_line(element), length_s=length_s)

    def redirect(self, element: etree._Element) -> Redirect:
        self.childless(element)
        found = self.attributes(element, {"method": 13710})
        method: Method = self.value(element, found, "method", _method, "POST")
        return Redirect(line=_line(element), url=_own_text(element), method=method)

    def reject(self, element: etree._Element) -> Reject:
        self.childless(element)
        found = self.attributes(element, {"reason": 13810})
        return Reject(line=_line(element), reason=self.value(element, found, "reason", REASONS.get, "rejected"))


def status_events(text: str) -> tuple[str, ...] | None:
    """A list of status events separated by spaces, in their natural order; None when a word is none of them."""
    words = set(text.split())
    if not words or not words <= set(STATUS_EVENTS):
        return None
    return tuple(event for event in STATUS_EVENTS if event in words)


def _text_or_none(text: str) -> str | None:
    return text or None


def _digits(text: str) -> str | None:
    """Digits to send, with each pause of a second as two of half a second."""
    return text.replace("W", "ww") if _DIGITS.fullmatch(text) else None


def _method(text: str) -> Method | None:
    return METHODS.get(text.upper())


def _boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def _between(low: int, high: int) -> Callable[[str], int | None]:
    def read(text: str) -> int | None:
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            return None
        value = int(text)
        return value if low <= value <= high else None

    return read


_VERBS: Final[Mapping[str, Callable[[_Reader, etree._Element], Verb]]] = {
    "Dial": _Reader.dial,
    "Echo": _Reader.echo,
    "Hangup": _Reader.hangup,
    "Pause": _Reader.pause,
    "Redirect": _Reader.redirect,
    "Reject": _Reader.reject,
}

_NOUNS: Final[Mapping[str, Callable[[_Reader, etree._Element], Iterator[Noun]]]] = {
    "Client": _Reader.client,
    "Number": _Reader.number,
}

_DIAL_ATTRIBUTES: Final = {
    "action": 12200,
    "method": 13210,
    "timeout": 13212,
    "hangupOnStar": 13213,
    "callerId": 13214,
    "timeLimit": 13216,
    "record": 13217,
    "sequential": 13218,
    "answerOnBridge": 13219,
    "ringTone": 13220,
    "recordingStatusCallback": 13217,
    "recordingStatusCallbackMethod": 13217,
    "recordingStatusCallbackEvent": 13217,
    "trim": 13217,
    "referUrl": 12200,
    "referMethod": 12200,
}

_CLIENT_ATTRIBUTES: Final = {
    "url": 12200,
    "method": 12200,
    "statusCallback": 12200,
    "statusCallbackMethod": 12200,
    "statusCallbackEvent": 12200,
    "clientNotificationUrl": 12200,
}

_NUMBER_ATTRIBUTES: Final = {
    "url": 12200,
    "method": 13221,
    "sendDigits": 13222,
    "statusCallback": 12200,
    "statusCallbackMethod": 12200,
    "statusCallbackEvent": 12200,
    "byoc": 12200,
    "machineDetection": 12200,
    "machineDetectionTimeout": 12200,
    "machineDetectionSpeechThreshold": 12200,
    "machineDetectionSpeechEndThreshold": 12200,
    "machineDetectionSilenceTimeout": 12200,
    "amdStatusCallback": 12200,
    "amdStatusCallbackMethod": 12200,
}
