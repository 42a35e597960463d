"""Prints the declared endpoints as an OpenAPI 3.1 document: served at `/openapi.json`, checked against every answer.

`python -m midcall.rest.openapi` writes it to standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from midcall import __version__
from midcall.core import errors
from midcall.core.errors import Rule
from midcall.rest.catalog import ENDPOINTS
from midcall.rest.endpoint import JSON_LINES, AnyEndpoint
from midcall.wire import forms
from midcall.wire.parameters import Form, Parameter, Sid, parameters
from midcall.wire.resources import ErrorBody

Json = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"
_SUCCESS: Final = {200: "OK", 201: "Created", 204: "Deleted, no body"}

_ALWAYS: Final = (errors.AUTHENTICATION_FAILED, errors.CROSS_SITE, errors.STORE_UNAVAILABLE, errors.INTERNAL)
"""Rules that any endpoint may meet."""


def document(endpoints: Sequence[AnyEndpoint]) -> Json:
    """The whole document, JSON-ready."""
    answers = [endpoint.answer for endpoint in endpoints if endpoint.answer is not None]
    _, schemas = msgspec.json.schema_components((*answers, ErrorBody), ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Midcall REST API",
            "version": __version__,
            "description": "Compatible with the voice part of the Twilio REST API, version 2010-04-01.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"basic": []}],
        "paths": _paths(endpoints),
        "components": {
            "schemas": schemas,
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
        },
    }


def encoded(endpoints: Sequence[AnyEndpoint]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document(endpoints)), indent=1)


def refusals(endpoint: AnyEndpoint) -> tuple[Rule, ...]:
    """Every rule that can refuse a request to this endpoint, each once, by status and code."""
    form = endpoint.form
    rules = {rule.name: rule for rule in (*_ALWAYS, *_path_rules(endpoint), *_body_rules(endpoint))}
    for parameter in parameters(form):
        rules[parameter.kind.rule.name] = parameter.kind.rule
        if parameter.required is not None:
            rules[parameter.required.rule.name] = parameter.required.rule
    if form.one_of is not None:
        rules[form.one_of.rule.name] = form.one_of.rule
    rules |= {rule.name: rule for rule in endpoint.refusals}
    return tuple(sorted(rules.values(), key=lambda rule: (rule.rest, rule.name)))


def _path_rules(endpoint: AnyEndpoint) -> Iterable[Rule]:
    return (errors.NOT_FOUND,) if endpoint.path_names else ()


def _body_rules(endpoint: AnyEndpoint) -> Iterable[Rule]:
    if endpoint.method == "POST":
        return errors.PARAMETER_INVALID, errors.BODY_TOO_LARGE
    return (errors.PARAMETER_INVALID,) if endpoint.method == "GET" else ()


def _paths(endpoints: Sequence[AnyEndpoint]) -> Json:
    paths: Json = {}
    for endpoint in endpoints:
        item = paths.setdefault(endpoint.shown_path, {})
        item[endpoint.method.lower()] = _operation(endpoint)
    for item in paths.values():
        if all(operation.get("x-extension") for operation in item.values()):
            item["x-extension"] = True
    return paths


def _operation(endpoint: AnyEndpoint) -> Json:
    operation: Json = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": [_path_parameter(endpoint, name) for name in endpoint.path_names],
        "responses": _responses(endpoint),
    }
    if endpoint.extension:
        operation["x-extension"] = True
    declared = parameters(endpoint.form)
    if endpoint.method == "GET":
        operation["parameters"] += [_query_parameter(parameter) for parameter in declared]
    elif declared:
        operation["requestBody"] = _request_body(endpoint.form, declared)
    return operation


def _path_parameter(endpoint: AnyEndpoint, name: str) -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": dict(Sid(prefix=endpoint.prefix_of(name)).schema()),
    }


def _query_parameter(parameter: Parameter) -> Json:
    required = parameter.required is not None
    return {"name": parameter.name, "in": "query", "required": required, "schema": _schema(parameter)}


def _request_body(form: type[Form], declared: Sequence[Parameter]) -> Json:
    schema: Json = {
        "type": "object",
        "properties": {parameter.name: _schema(parameter) for parameter in declared},
    }
    required = [parameter.name for parameter in declared if parameter.required is not None]
    if required:
        schema["required"] = required
    if form.one_of is not None:
        names = {parameter.field: parameter.name for parameter in declared}
        schema["anyOf"] = [{"required": [names[field]]} for field in form.one_of.fields]
    kinds = (forms.FORM, forms.MULTIPART, forms.JSON)
    return {"required": bool(required), "content": {kind: {"schema": schema} for kind in kinds}}


def _schema(parameter: Parameter) -> Json:
    schema = dict(parameter.kind.schema())
    if parameter.extension:
        schema["x-extension"] = True
    if parameter.required is not None and not parameter.kind.keeps_empty:
        schema["minLength"] = 1
    if parameter.inert is not None:
        schema["x-no-effect"] = parameter.inert.why
    if parameter.default is not None:
        default = parameter.default
        schema["default"] = list(default) if isinstance(default, tuple) else default
    return schema


def _responses(endpoint: AnyEndpoint) -> Json:
    success: Json = {"description": _SUCCESS[endpoint.status]}
    if endpoint.stream is not None:
        success["content"] = {JSON_LINES: {"schema": {"type": "string"}}}
    elif endpoint.answer is not None:
        success["content"] = _json_content(endpoint.answer)
    responses = {str(endpoint.status): success}
    for status, rules in _by_status(refusals(endpoint)).items():
        responses[str(status)] = {
            "description": "; ".join(f"{rule.rest[1]}: {rule.text}" for rule in rules),
            "content": _json_content(ErrorBody),
        }
    return responses


def _json_content(struct: type[msgspec.Struct]) -> Json:
    return {"application/json": {"schema": {"$ref": _REF.format(name=struct.__name__)}}}


def _by_status(rules: Iterable[Rule]) -> Mapping[int, Sequence[Rule]]:
    grouped: dict[int, list[Rule]] = {}
    for rule in rules:
        grouped.setdefault(rule.rest[0], []).append(rule)
    return grouped


def main() -> None:
    sys.stdout.buffer.write(encoded(ENDPOINTS) + b"\n")


if __name__ == "__main__":
    main()
