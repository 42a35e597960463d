"""Which variant of a request has the signature that came with it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midcall.core.signature import sign
from midcall.core.variants import Change, Reading, Secret, Seen, Variant, changes_between, find

TOKEN = "b" * 32
OWN = Secret("the account", TOKEN)
OTHER = Secret("a subaccount", "c" * 32)
FIELDS = (("CallSid", "CA1"), ("To", ""), ("Content", "Grüße & ü"))
FORM = b"CallSid=CA1&To=&Content=Gr%C3%BC%C3%9Fe+%26+%C3%BC"


def found(
    signed: str,
    seen: str,
    *,
    headers: dict[str, str] | None = None,
    known: tuple[str, ...] = (),
    token: str = TOKEN,
) -> Variant | None:
    """Sign a form for one URL; look at it under another."""
    request = Seen(url=seen, signature=sign(token, signed, FIELDS), headers=headers or {}, body=FORM)
    return find(request, [OWN, OTHER], known)


def test_a_request_that_is_seen_as_it_was_signed_needs_no_change() -> None:
    url = "https://app.test/hook?a=1"
    assert found(url, url) == Variant(url, Reading.FORM, OWN)


@pytest.mark.parametrize(
    ("signed", "seen", "changes"),
    [
        ("https://app.test/hook", "http://app.test/hook", (Change.SCHEME,)),
        ("http://app.test/hook", "https://app.test/hook", (Change.SCHEME,)),
        ("https://app.test/hook", "http://app.test:3000/hook", (Change.SCHEME,)),
        ("http://app.test:3000/hook", "http://app.test/hook", (Change.PORT,)),
        ("http://app.test/hook", "http://app.test:8080/hook", (Change.PORT,)),
        ("https://app.test/hook/", "https://app.test/hook", (Change.SLASH,)),
        ("https://app.test/hook", "https://app.test/hook/", (Change.SLASH,)),
        ("https://app.test/hook?b=2&a=1&c", "https://app.test/hook?a=1&b=2&c", (Change.ORDER,)),
        ("https://app.test/hook?a=x%20y", "https://app.test/hook?a=x+y", (Change.ESCAPES,)),
        ("https://app.test/a%20b", "https://app.test/a b", (Change.ESCAPES,)),
        ("https://app.test/hook", "https://app.test/hook?added=1", (Change.QUERY,)),
        ("https://app.test/hook/", "http://app.test/hook", (Change.SCHEME, Change.SLASH)),
    ],
)
def test_what_proxies_and_frameworks_change_is_told(signed: str, seen: str, changes: tuple[Change, ...]) -> None:
    variant = found(signed, seen)
    assert variant is not None
    assert (variant.url, variant.changes) == (signed, changes)


@pytest.mark.parametrize(
    ("signed", "headers", "changes"),
    [
        (
            "https://public.test/hook",
            {"x-forwarded-host": "public.test, inner", "X-Forwarded-Proto": "https"},
            (Change.SCHEME, Change.HOST),
        ),
        ("http://public.test:8081/hook", {"Host": "public.test:8081"}, (Change.HOST, Change.PORT)),
        ("http://app:9/hook", {"X-Forwarded-Port": "9"}, (Change.PORT,)),
        ("http://app/api/hook", {"X-Forwarded-Prefix": "/api/"}, (Change.PATH,)),
        ("http://app/original", {"X-Original-URI": "/original?x=1"}, (Change.PATH,)),
    ],
)
def test_what_a_proxy_says_of_the_original_is_tried(
    signed: str, headers: dict[str, str], changes: tuple[Change, ...]
) -> None:
    variant = found(signed, "http://app/hook", headers=headers)
    assert variant is not None
    assert (variant.url, variant.changes) == (signed, changes)


def test_a_registered_callback_is_recognised_behind_any_proxy() -> None:
    registered = "https://public.test/v1/voice?tenant=7"
    variant = found(registered, "http://10.0.0.5:3000/voice", known=("https://else.test/", registered))
    assert variant is not None
    assert variant.url == registered
    assert variant.changes == (Change.SCHEME, Change.HOST, Change.PATH, Change.QUERY)


def test_the_token_of_another_account_is_told_and_shown_by_nothing() -> None:
    variant = found("https://app.test/", "https://app.test/", token=OTHER.token)
    assert variant is not None
    assert (variant.secret, variant.changes) == (OTHER, (Change.TOKEN,))
    assert OTHER.token not in repr(variant)


BODY = b'{"Sid":"KX1","Content":"{\\"a\\":1}"}'


def test_the_keys_of_json_count_where_a_validator_takes_nothing_of_it() -> None:
    url = "https://app.test/hook"
    signature = sign(TOKEN, url, json.loads(BODY).items())
    variant = find(Seen(url=url, signature=signature, body=BODY), [OWN])
    assert variant == Variant(url, Reading.JSON, OWN, (Change.BODY,))


def test_the_digest_of_a_body_counts_where_a_service_signs_that() -> None:
    import hashlib

    url = f"https://app.test/hook?bodySHA256={hashlib.sha256(BODY).hexdigest()}"
    seen = Seen(url="https://app.test/hook", signature=sign(TOKEN, url), body=BODY)
    variant = find(seen, [OWN])
    assert variant == Variant(url, Reading.DIGEST, OWN, (Change.BODY,))


def test_a_digest_that_is_in_the_url_already_counts_once() -> None:
    import hashlib

    url = f"https://app.test/hook?bodySHA256={hashlib.sha256(BODY).hexdigest()}"
    seen = Seen(url=url.replace("https", "http"), signature=sign(TOKEN, url), body=BODY)
    assert find(seen, [OWN]) == Variant(url, Reading.NOTHING, OWN, (Change.SCHEME,))


def test_a_body_without_fields_and_a_get_are_signed_by_their_url() -> None:
    url = "https://app.test/hook?a=1"
    assert find(Seen(url=url, signature=sign(TOKEN, url)), [OWN]) == Variant(url, Reading.NOTHING, OWN)


def test_a_changed_body_or_an_unknown_token_has_no_variant() -> None:
    url = "https://app.test/hook"
    signature = sign(TOKEN, url, FIELDS)
    assert find(Seen(url=url, signature=signature, body=FORM + b"&More=1"), [OWN, OTHER]) is None
    assert found(url, url, token="d" * 32) is None


NAME = st.text("abcxyz", min_size=1, max_size=4)
URL = st.builds(
    lambda scheme, port, path, slash, query: (
        f"{scheme}://app.test{port}/{'/'.join(path)}{slash}{'?' if query else ''}"
        + "&".join(f"{name}={value}" for name, value in query)
    ),
    st.sampled_from(["http", "https"]),
    st.sampled_from(["", ":3000", ":8080"]),
    st.lists(NAME, min_size=1, max_size=3),
    st.sampled_from(["", "/"]),
    st.lists(st.tuples(NAME, NAME), max_size=4),
)


@given(URL, URL, st.sampled_from([OWN, OTHER]))
@settings(max_examples=60, deadline=None)
def test_every_registered_url_is_found_from_every_other_and_the_changes_explain_it(
    signed: str, seen: str, secret: Secret
) -> None:
    request = Seen(url=seen, signature=sign(secret.token, signed, FIELDS), body=FORM)
    variant = find(request, [OWN, OTHER], [signed])
    assert variant is not None
    assert sign(variant.secret.token, variant.url, FIELDS) == request.signature
    expected = len(changes_between(seen, signed)) + (secret is not OWN)
    assert len(variant.changes) <= expected


@given(st.text(max_size=60), st.binary(max_size=60), st.text(max_size=30))
@settings(max_examples=60, deadline=None)
def test_nonsense_has_no_variant_and_does_no_harm(url: str, body: bytes, signature: str) -> None:
    assert find(Seen(url=url, signature=signature, body=body), [OWN], [url, "http://["]) is None
