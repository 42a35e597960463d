"""Requests made up from the OpenAPI documents, valid and invalid ones, against a whole server: schemathesis.

Our own document is always used. The vendor's is no part of this repository; where it lies beside it, it is used as
well, and `test_which_documents_were_used` says whether that happened. `MIDCALL_EXAMPLES` makes the search longer.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from midcall.rest.catalog import ENDPOINTS
from midcall.rest.openapi import document
from midcall.wire.parameters import Text, parameters
from support.fuzzed import Fuzzed, fuzzed_server
from support.rest import NOT_IN_THEIRS

Json = dict[str, Any]

EXAMPLES: Final = int(os.environ.get("MIDCALL_EXAMPLES", "8"))
"""Requests of each kind (valid, invalid) for each operation."""

RELATIVE: Final = ("first_page_uri", "next_page_uri", "previous_page_uri", "uri")
"""Page keys that the vendor's document calls URIs, though its prose and its examples have paths of the same host."""


def amended(whole: Json) -> Json:
    """The vendor's document without the format of `RELATIVE` keys."""

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        kept = {name: walk(item) for name, item in node.items()}
        for name in RELATIVE:
            if isinstance(kept.get(name), dict) and kept[name].get("format") == "uri":
                del kept[name]["format"]
        return kept

    return dict(walk(whole))


SHARED: Final = Path(__file__).parents[3] / "shared" / "reference" / "openapi.json"
DOCUMENTS: Final = {"ours": document(ENDPOINTS)} | (
    {"vendor": amended(json.loads(SHARED.read_text()))} if SHARED.exists() else {}
)
SERVED: Final = {endpoint.name: endpoint for endpoint in ENDPOINTS}

# What the documents do not say, and what is therefore not held against an answer. Each row has its reason.

ALLOWED: Final[Mapping[tuple[str, int], str]] = {
    ("CreateUserDefinedMessage", 32702): "Content is a JSON text, and required once the call's state was judged",
    ("CreateCall", 21201): "an empty text counts as not sent",
    ("CreateCall", 21213): "likewise",
    ("CreateCall", 21211): "whom this server can call is no matter of spelling",
    ("CreateCall", 21212): "nor is from whom",
    ("CreateCall", 21218): "the application must exist",
    ("CreateCall", 21205): "Url, Twiml or ApplicationSid: the vendor's document does not say that one is needed",
    ("UpdateCall", 21220): "an ended or unanswered call cannot be redirected",
    ("UpdateCall", 20001): "Url and Twiml exclude each other",
    ("DeleteCall", 20009): "a live call cannot be deleted",
    ("UpdateAccount", 20001): "a main account cannot be suspended or closed",
    ("CreateReplay", 20001): "which of its parameters go together is said in words",
    ("*UserDefinedMessage*", 21220): "the call must be active, with a client on it",
    ("CreateUserDefinedMessageSubscription", 20001): "a call takes 10 subscriptions",
    ("*IncomingPhoneNumber", 21421): "which numbers may be owned is said in words",
    ("*IncomingPhoneNumber", 21422): "a number is owned once",
    ("*IncomingPhoneNumber", 21218): "the application must exist",
    ("*IncomingPhoneNumber", 21451): "which area codes there are is said in words",
    ("*IncomingPhoneNumber", 21452): "an area code's numbers may all be owned",
    ("*", 21205): "a URL's host is judged by more than the format uri",
    ("*", 20002): "texts are bounded; the vendor's document names no bounds",
    ("*", 20001): "a page token belongs to one list; multipart bodies of names that no form can carry",
}
"""(operation, code): a valid request may be refused with it."""

LENIENT: Final = {
    "Page": "only an echo; what is no number counts as 0",
    "PageSize": "what is no positive number counts as 50",
    "Content": "may stand unquoted in a JSON body, as any value",
}
"""Parameters whose invalid values are taken."""

UNLISTED: Final = frozenset({400, 403, 404, 405, 409, 413, 503})
"""Refusals that the vendor's document lists nowhere, or only here and there."""

AIMED: Final = {"To": "client:bob", "From": "client:alice", "Content": '{"a":1}', "PageToken": None}
"""What the document cannot spell well enough to get anywhere: a value for every other valid request; None drops it."""

TOO_LONG: Final = "Got more than"
"""How the HTTP server refuses a request line over 16 KiB, before there is a request that the API could answer."""

SHAPE: Final = (
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Fuzzed]:
    with pytest.MonkeyPatch.context() as patch, fuzzed_server(patch) as running:
        yield running


class Judge:
    """Sends what was made up, and holds the answers against the document."""

    def __init__(self, server: Fuzzed, whole: Json, *, vendors: bool) -> None:
        self._server = server
        self._vendors = vendors
        self._session = requests.Session()
        pair = base64.b64encode(f"{server.account_sid}:{server.auth_token}".encode()).decode()
        self._headers = {"Authorization": f"Basic {pair}"}
        generation = {"with-security-parameters": False, "allow-extra-parameters": False}
        config = SchemathesisConfig.from_dict({"generation": generation})
        self._schema = schemathesis.openapi.from_dict(whole, config=config)
        self._sent = 0

    def search(self, name: str, mode: GenerationMode, judge: Callable[[Case, Any], None], examples: int) -> None:
        """Send so many requests of an operation, the same ones in every run, whatever ran before."""
        self._sent = 0
        operation = self._schema.find_operation_by_id(name)

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def run(case: Case) -> None:
            judge(case, self._answer(case, mode))

        run()

    def _answer(self, case: Case, mode: GenerationMode) -> Any:
        self._sent += 1
        self._aim(case, mode)
        return case.call(base_url=self._server.base_url, session=self._session, headers=self._headers)

    def _aim(self, case: Case, mode: GenerationMode) -> None:
        """Let every other request hit something that exists."""
        for name, value in list(case.path_parameters.items()):
            found = re.fullmatch(r"([A-Z]{2})[0-9a-fA-F]{32}", str(value))
            if found and (name == "AccountSid" or self._sent % 2):
                case.path_parameters[name] = self._server.known[found[1]]
        if mode is GenerationMode.POSITIVE and self._sent % 2:
            for part in (case.query, case.body):
                if isinstance(part, dict):
                    part.update({name: value for name, value in AIMED.items() if value and name in part})
                    part.pop("PageToken", None)

    def valid(self, case: Case, response: Any) -> None:
        self._shape(case, response)
        code = response.json()["code"] if response.status_code == 400 else 0
        if not any(fnmatchcase(_name(case), name) and code == known for name, known in ALLOWED):
            self._hold(case, response, positive_data_acceptance)

    def invalid(self, case: Case, response: Any) -> None:
        if response.status_code == 400 and response.text.startswith("400, message"):
            assert TOO_LONG in response.text
            return
        self._shape(case, response)
        if not self._counts_as_valid(case):
            self._hold(case, response, negative_data_rejection)

    def closed(self, case: Case, response: Any) -> None:
        """Without credentials nothing opens; methods that are not offered are refused and say which are."""
        self._hold(case, response, ignored_auth, unsupported_method, allow_header_conformance)

    def _shape(self, case: Case, response: Any) -> None:
        if not (self._vendors and response.status_code in UNLISTED):
            self._hold(case, response, status_code_conformance)
        self._hold(case, response, *SHAPE)

    def _hold(self, case: Case, response: Any, *checks: Any) -> None:
        kept = {"session": self._session}
        case.validate_response(response, checks=list(checks), headers=self._headers, transport_kwargs=kept)

    def _counts_as_valid(self, case: Case) -> bool:
        """What was damaged is taken leniently, is an empty text, which counts as not sent, or is a text anyway.

        A JSON body is read as a form: any value of a parameter without a shape is the text that it is spelled as.
        """
        damaged = [mutation.parameter for mutation in case.meta.phase.data.mutations or () if mutation.parameter]
        sent = {**(case.query or {}), **(case.body if isinstance(case.body, dict) else {})}
        shapeless = {
            parameter.name
            for parameter in parameters(SERVED[_name(case)].form)
            if isinstance(parameter.kind, Text) and parameter.kind.pattern is None
        }
        return any(
            name in LENIENT or sent.get(name) == "" or (name in shapeless and not isinstance(sent.get(name, ""), str))
            for name in damaged
        )


def _name(case: Case) -> str:
    name: str = case.operation.definition.raw["operationId"]
    return name


def operations() -> list[Any]:
    """Each served operation of each document."""
    named = {
        (source, operation["operationId"])
        for source, whole in DOCUMENTS.items()
        for item in whole["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict) and operation.get("operationId") in SERVED
    }
    return [pytest.param(source, name, id=f"{name} {source}") for source, name in sorted(named)]


@pytest.fixture(scope="module")
def judges(server: Fuzzed) -> Mapping[str, Judge]:
    return {source: Judge(server, whole, vendors=source == "vendor") for source, whole in DOCUMENTS.items()}


@pytest.mark.parametrize(("source", "name"), operations())
def test_valid_requests_are_served_and_invalid_ones_refused_as_documented(
    judges: Mapping[str, Judge], source: str, name: str
) -> None:
    judge = judges[source]
    if SERVED[name].stream is None:
        judge.search(name, GenerationMode.POSITIVE, judge.valid, EXAMPLES)
    judge.search(name, GenerationMode.NEGATIVE, judge.invalid, EXAMPLES)
    judge.search(name, GenerationMode.POSITIVE, judge.closed, 1)


def test_which_documents_were_used(record_property: Any) -> None:
    """There is no silent pass: every served operation of ours is tried, and the vendor's too where they are at hand."""
    record_property("documents", " ".join(DOCUMENTS))
    tried = [tuple(param.values) for param in operations()]
    assert {name for source, name in tried if source == "ours"} == set(SERVED)
    theirs = {name for source, name in tried if source == "vendor"}
    vendors = {endpoint.name for endpoint in ENDPOINTS if not endpoint.extension} - NOT_IN_THEIRS
    assert theirs == (vendors if SHARED.exists() else set())


def no_success(operation: Json) -> None:
    del operation["responses"]["200"]


def other_type(operation: Json) -> None:
    operation["responses"]["200"]["content"] = {"text/plain": {}}


def another_field(operation: Json) -> None:
    operation["responses"]["200"]["content"]["application/json"]["schema"] = {"type": "object", "required": ["never"]}


def a_tighter_bound(operation: Json) -> None:
    for content in operation["requestBody"]["content"].values():
        content["schema"]["properties"]["FriendlyName"]["maxLength"] = 1


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("ListKey", no_success),
        ("ListKey", other_type),
        ("ListKey", another_field),
        ("CreateNewKey", a_tighter_bound),
    ],
)
def test_a_document_that_is_not_true_is_found_out(server: Fuzzed, name: str, damage: Callable[[Json], None]) -> None:
    whole = copy.deepcopy(DOCUMENTS["ours"])
    item = whole["paths"]["/2010-04-01/Accounts/{AccountSid}/Keys.json"]
    damage(item["get" if name == "ListKey" else "post"])
    judge = Judge(server, whole, vendors=False)
    with pytest.raises(BaseException) as found:  # schemathesis raises groups of failures
        judge.search(name, GenerationMode.POSITIVE, judge.valid, 10)
        judge.search(name, GenerationMode.NEGATIVE, judge.invalid, 30)
    assert "Schemathesis found" in str(found.value)
