"""Our OpenAPI document: valid, complete, true of what is served, and compatible with the vendor's.

The trimmed copy of the vendor's document is no part of this repository. Where it lies beside it, the two are compared
endpoint by endpoint; `test_which_comparison_was_made` says whether that happened.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from midcall.core.errors import RULES
from midcall.rest.catalog import ENDPOINTS
from midcall.rest.openapi import document, refusals
from support.rest import NOT_IN_THEIRS, Checked

Json = dict[str, Any]

OURS: Json = document(ENDPOINTS)
SHARED = Path(__file__).parents[3] / "shared" / "reference" / "openapi.json"
THEIRS: Json = json.loads(SHARED.read_text()) if SHARED.exists() else {}


# What differs on purpose: (operation, what) -> why.
EXPLAINED = {
    ("CreateUserDefinedMessage", "required Content"): "the state of the call is judged before the content",
    ("IamCreateNewKey", "parameter Policy is string, not None"): "any policy is refused",
    ("IamUpdateKey", "parameter Policy is string, not None"): "any policy is refused",
    ("IamCreateNewKey", "status 404 is missing"): "its path names nothing that could be missing",
    ("IamListGetKeys", "status 404 is missing"): "its path names nothing that could be missing",
    ("ListAccount", "status 404 is missing"): "its path names nothing that could be missing",
    ("MonitorListAlert", "status 404 is missing"): "its path names nothing that could be missing",
}
CONFERENCES = "no conferences yet"
QUEUES = "no queues yet"
RECORDINGS = "calls are not recorded"
AUTH_TOKENS = "an account has one auth token"

# Operations of the vendor's document that are not served: operation id, or what it begins or ends with (*) -> why.
NOT_SERVED = {
    "*Conference": CONFERENCES,
    "*Participant": CONFERENCES,
    "*Queue": QUEUES,
    "*Member": QUEUES,
    "*Recording": RECORDINGS,
    "*Stream": "streams of a call's media come with <Stream>",
    "Accounts*": AUTH_TOKENS,
}
STRICTER = {"maxLength", "minimum", "maximum", "pattern", "default", "enum", "format", "minLength"}
"""Keywords that may narrow an input in our document where the vendor's leaves it to prose."""

COMPARED = [each for each in ENDPOINTS if THEIRS and not each.extension and each.name not in NOT_IN_THEIRS]


def operation_of(whole: Json, endpoint: Any) -> Json:
    found: Json = whole["paths"][endpoint.shown_path][endpoint.method.lower()]
    return found


def operations(whole: Json) -> dict[str, str]:
    """Method and path of each operation, by its id."""
    return {
        operation["operationId"]: f"{method.upper()} {path}"
        for path, item in whole.get("paths", {}).items()
        for method, operation in item.items()
        if method in ("get", "post", "put", "delete", "patch")
    }


def resolved(whole: Json, schema: Json) -> Json:
    while "$ref" in schema:
        schema = whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


# ours alone


def test_the_document_is_valid() -> None:
    validate(OURS)


def test_the_command_prints_the_document() -> None:
    printed = subprocess.run([sys.executable, "-m", "midcall.rest.openapi"], capture_output=True, check=True)
    assert json.loads(printed.stdout) == OURS
    assert printed.stderr == b""


def test_every_operation_has_its_own_name_and_a_sentence() -> None:
    names = [endpoint.name for endpoint in ENDPOINTS]
    assert len(set(names)) == len(names)
    assert all(endpoint.summary.endswith(".") for endpoint in ENDPOINTS)


def test_every_refusal_is_a_rule_of_the_table() -> None:
    for endpoint in ENDPOINTS:
        assert all(RULES[rule.name] is rule for rule in refusals(endpoint))


def test_extensions_are_marked_and_only_about_calls_do_they_lie_beside_the_vendors_paths() -> None:
    for path, item in OURS["paths"].items():
        marks = {operation.get("x-extension", False) for name, operation in item.items() if name != "x-extension"}
        assert item.get("x-extension", False) == (marks == {True})
        if path.startswith("/midcall/v1/"):
            assert marks == {True}
        elif True in marks:
            assert re.search(r"/Calls/{CallSid}/(UserDefinedMessages|Deliveries|Insights)", path)


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (418, "application/json;charset=utf-8", b"{}"),
        (200, "text/plain", b'{"keys": []}'),
        (200, "application/json;charset=utf-8", b'{"keys": []}'),
        (401, "application/json;charset=utf-8", b'{"code": "20003", "message": "", "more_info": "", "status": 401}'),
        (404, "application/json;charset=utf-8", b'{"code": 20404, "message": "", "status": 404}'),
    ],
)
def test_the_judge_of_all_rest_tests_sees_what_is_wrong(status: int, content_type: str, body: bytes) -> None:
    judge = Checked()
    judge.look("GET", f"/2010-04-01/Accounts/AC{'a' * 32}/Keys.json", status, content_type, body)
    assert judge.broken


# against the vendor's


def test_which_comparison_was_made(record_property: Any) -> None:
    """There is no silent pass: either every endpoint is compared below, or nothing is and the report says so."""
    record_property("vendor_document", "compared" if THEIRS else "not present")
    served = [endpoint.name for endpoint in ENDPOINTS if not endpoint.extension]
    assert set(served) >= NOT_IN_THEIRS
    assert len(COMPARED) == (len(served) - len(NOT_IN_THEIRS) if SHARED.exists() else 0)
    assert not NOT_IN_THEIRS & set(operations(THEIRS))


def test_every_operation_is_the_vendors() -> None:
    """One test and not one for each, which would be skipped where the vendor's document is not present."""
    wrong = {}
    for endpoint in COMPARED:
        theirs, ours = operation_of(THEIRS, endpoint), operation_of(OURS, endpoint)
        if found := [*differences(ours, theirs), *_other_name(ours, theirs)]:
            wrong[endpoint.name] = found
    assert wrong == {}


def not_served(whole: Json) -> dict[str, str]:
    """Operations that a document has and ours lacks, with the pattern of the table that explains them, or nothing."""
    ours = operations(OURS)
    return {
        name: next((pattern for pattern in NOT_SERVED if fnmatchcase(name, pattern)), "")
        for name, place in operations(whole).items()
        if ours.get(name) != place
    }


def test_every_operation_that_is_not_served_is_explained() -> None:
    missing = not_served(THEIRS)
    assert [name for name, pattern in missing.items() if not pattern] == []
    assert set(missing.values()) == (set(NOT_SERVED) if THEIRS else set()), "an explanation that nothing needs"


def test_the_walk_sees_an_operation_that_is_not_there() -> None:
    other = {"paths": {"/2010-04-01/Nothing.json": {"get": {"operationId": "ListNothing"}}}}
    assert not_served(other) == {"ListNothing": ""}


def _other_name(ours: Any, theirs: Any) -> list[str]:
    return [] if ours["operationId"] == theirs["operationId"] else [f"operationId {ours['operationId']}"]


def test_every_explanation_is_needed() -> None:
    found = {
        (endpoint.name, line)
        for endpoint in COMPARED
        for line in all_differences(operation_of(OURS, endpoint), operation_of(THEIRS, endpoint))
    }
    assert found == (set(EXPLAINED) if THEIRS else set())


def test_the_comparison_sees_what_differs() -> None:
    """Both sides are ours here, one of them damaged, so that this holds without the vendor's document, too."""
    lines = _shape(
        "",
        {"type": "object", "properties": {"a": {"type": "integer"}, "b": _NULLABLE, "x": {}}},
        {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}, "c": {}}},
    )
    assert sorted(lines) == [".a is integer, not string", ".b may be null", ".c is missing", ".x is not the vendor's"]
    assert sorted(_inputs({"A": {"type": "string"}, "B": {}}, {"A": {"type": "integer"}, "C": {}})) == [
        "parameter A is string, not integer",
        "parameter B is not the vendor's",
        "parameter C is missing",
    ]


_NULLABLE: Json = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def differences(ours: Json, theirs: Json) -> list[str]:
    """One line per difference that nothing explains."""
    return [line for line in all_differences(ours, theirs) if (ours["operationId"], line) not in EXPLAINED]


def all_differences(ours: Json, theirs: Json) -> list[str]:
    """One line per difference, explained or not."""
    found = [
        *_inputs(_parameters(OURS, ours), _parameters(THEIRS, theirs)),
        *_outputs(ours, theirs),
        *(f"status {status} is missing" for status in _missing_statuses(ours, theirs)),
    ]
    required = set(_required(theirs)) - set(_required(ours))
    found += [f"required {parameter}" for parameter in sorted(required)]
    return found


def _parameters(whole: Json, operation: Json) -> dict[str, Json]:
    inputs = {parameter["name"]: resolved(whole, parameter["schema"]) for parameter in operation.get("parameters", ())}
    for content in operation.get("requestBody", {}).get("content", {}).values():
        inputs |= {name: resolved(whole, schema) for name, schema in content["schema"]["properties"].items()}
    return inputs


def _required(operation: Json) -> list[str]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/x-www-form-urlencoded", {})
    required: list[str] = body.get("schema", {}).get("required", [])
    return required


def _inputs(ours: dict[str, Json], theirs: dict[str, Json]) -> list[str]:
    surplus = [name for name in ours.keys() - theirs.keys() if not ours[name].get("x-extension")]
    lines = [f"parameter {name} is not the vendor's" for name in surplus]
    lines += [f"parameter {name} is missing" for name in theirs.keys() - ours.keys()]
    for name in ours.keys() & theirs.keys():
        mine, other = ours[name], theirs[name]
        if mine.get("type") != other.get("type"):
            lines.append(f"parameter {name} is {mine.get('type')}, not {other.get('type')}")
        if "enum" in other and set(mine.get("enum", ())) != set(other["enum"]):
            lines.append(f"parameter {name} offers other words")
        lines += [
            f"parameter {name} differs in {keyword}"
            for keyword in other.keys() & mine.keys() - STRICTER
            if keyword not in ("type", "items") and mine[keyword] != other[keyword]
        ]
    return lines


def _missing_statuses(ours: Json, theirs: Json) -> list[str]:
    """The vendor's data lists 429 for everything; we limit messages only."""
    return sorted(set(theirs["responses"]) - set(ours["responses"]) - {"429"})


def _outputs(ours: Json, theirs: Json) -> list[str]:
    lines = []
    for status, response in theirs["responses"].items():
        if not status.startswith("2") or status not in ours["responses"]:
            continue
        their_content = response.get("content")
        our_content = ours["responses"][status].get("content")
        if not their_content or not our_content:
            lines += [] if bool(their_content) == bool(our_content) else [f"{status} has or lacks a body"]
            continue
        mine = resolved(OURS, our_content["application/json"]["schema"])
        other = resolved(THEIRS, their_content["application/json"]["schema"])
        lines += _shape("", mine, other)
    return lines


def _shape(where: str, mine: Json, other: Json) -> list[str]:
    """Same properties, the same types, and null only where the vendor may say null."""
    mine, nullable = _without_null(mine)
    other = resolved(THEIRS, other)
    lines = []
    if nullable and not other.get("nullable", False):
        lines.append(f"{where} may be null")
    if "type" in other and mine.get("type", _type_of(mine)) != other["type"]:
        lines.append(f"{where} is {mine.get('type')}, not {other['type']}")
    if "pattern" in other and "pattern" in mine and mine["pattern"] != other["pattern"]:
        lines.append(f"{where} has another pattern")
    if "enum" in other and not set(mine.get("enum", ())) <= set(other["enum"]):
        lines.append(f"{where} may hold other words")
    if "properties" in other:
        names, their_names = set(mine.get("properties", ())), set(other["properties"])
        surplus = [name for name in names - their_names if not mine["properties"][name].get("x-extension")]
        lines += [f"{where}.{name} is not the vendor's" for name in sorted(surplus)]
        lines += [f"{where}.{name} is missing" for name in sorted(their_names - names)]
        for name in sorted(names & their_names):
            lines += _shape(f"{where}.{name}", mine["properties"][name], other["properties"][name])
    if "items" in other:
        lines += _shape(f"{where}[]", mine["items"], other["items"])
    return lines


def _without_null(schema: Json) -> tuple[Json, bool]:
    schema = resolved(OURS, schema)
    options = schema.get("anyOf", [schema])
    kept = [resolved(OURS, option) for option in options if option.get("type") != "null"]
    assert len(kept) == 1, schema
    return kept[0], len(kept) < len(options)


def _type_of(schema: Json) -> str | None:
    return "string" if all(isinstance(word, str) for word in schema.get("enum", (0,))) else None
