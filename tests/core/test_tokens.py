"""Access tokens: those of the official helper library pass, and each thing wrong with one has its own answer."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant

from midcall.core import errors, tokens
from midcall.core.sids import AccountSid, ApplicationSid, KeySid

KEY = KeySid("SK" + "1" * 32)
SECRET = "5" * 32
ACCOUNT = AccountSid("AC" + "2" * 32)
APPLICATION = ApplicationSid("AP" + "3" * 32)
NOW = 1_700_000_000.0


def helper_token(identity: str | None = "alice", ttl: int = 3600, region: str | None = None, **grant: Any) -> str:
    token = AccessToken(ACCOUNT, KEY, SECRET, identity=identity, ttl=ttl, region=region)
    token.add_grant(VoiceGrant(**grant))
    return str(token.to_jwt())


def payload(**changes: Any) -> dict[str, Any]:
    claims = {
        "jti": "x",
        "iss": KEY,
        "sub": ACCOUNT,
        "exp": NOW + 3600,
        "grants": {"identity": "alice", "voice": {"incoming": {"allow": True}}},
    }
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def signed(
    claims: dict[str, Any], *, secret: str = SECRET, algorithm: str = "HS256", cty: str | None = "twilio-fpa;v=1"
) -> str:
    return jwt.encode(claims, secret, algorithm=algorithm, headers={"cty": cty} if cty else {})


def read(token: str, secret: str = SECRET) -> tokens.Claims:
    issuer = tokens.issuer_of(token)
    assert issuer == tokens.Issuer(KEY, ACCOUNT)
    return tokens.verify(token, secret)


def test_a_token_of_the_official_helper_library_is_read() -> None:
    token = helper_token(
        region="au1",
        incoming_allow=True,
        outgoing_application_sid=APPLICATION,
        outgoing_application_params={"tier": "gold", "n": 7},
    )
    claims = read(token)
    tokens.check_start(claims, time.time())
    tokens.check_life(claims, time.time())
    assert (claims.identity, claims.incoming, claims.application_sid) == ("alice", True, APPLICATION)
    assert claims.parameters == (("tier", "gold"), ("n", "7"))
    assert claims.home == "au1"


def test_a_token_without_identity_or_grants_allows_nothing_but_is_good() -> None:
    claims = read(helper_token(identity=None))
    tokens.check_life(claims, time.time())
    assert claims.identity is None
    assert not claims.incoming
    assert claims.application_sid is None


def test_a_token_that_we_mint_reads_like_one_of_the_helper_library() -> None:
    ours = tokens.mint(
        key_sid=KEY,
        secret=SECRET,
        account_sid=ACCOUNT,
        now=time.time(),
        token_id=f"{KEY}-1",
        identity="alice",
        application_sid=APPLICATION,
        home="us1",
    )
    theirs = helper_token(region="us1", incoming_allow=True, outgoing_application_sid=APPLICATION)
    for read_part in (jwt.get_unverified_header, lambda t: jwt.decode(t, options={"verify_signature": False})):
        mine, reference = read_part(ours), read_part(theirs)
        assert mine.keys() == reference.keys()
    assert jwt.get_unverified_header(ours) == jwt.get_unverified_header(theirs)
    assert read(ours).application_sid == APPLICATION


def test_a_token_that_we_mint_may_bring_parameters_of_calls() -> None:
    ours = tokens.mint(
        key_sid=KEY,
        secret=SECRET,
        account_sid=ACCOUNT,
        now=time.time(),
        token_id=f"{KEY}-1",
        identity="alice",
        application_sid=APPLICATION,
        parameters={"plan": "gold"},
    )
    assert read(ours).parameters == (("plan", "gold"),)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_algorithms_of_the_helper_libraries_are_accepted(algorithm: str) -> None:
    assert read(signed(payload(), algorithm=algorithm, secret="5" * 64), secret="5" * 64).identity == "alice"


@pytest.mark.parametrize("token", [None, ""])
def test_no_token_is_its_own_error(token: str | None) -> None:
    assert refusal(lambda: tokens.issuer_of(token)) == 31102


def unsigned(claims: dict[str, Any]) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'typ': 'JWT', 'alg': 'none', 'cty': 'twilio-fpa;v=1'})}.{part(claims)}."


@pytest.mark.parametrize(
    "token",
    [
        "garbage",
        "a.b.c",
        "é.é.é",
        "\ud800",
        "x" * 20_000,
        unsigned(payload()),
        signed(payload(), cty=None),
        signed(payload(), cty="other"),
        signed(payload(iss="AC" + "1" * 32)),
        signed(payload(sub=None)),
        signed(payload(grants=None)),
        signed(payload(grants={"identity": "alice"})),
        signed(payload(grants={"voice": True})),
        signed(payload(grants=[])),
        signed(payload(exp=None)),
        signed(payload(exp="soon")),
        signed(payload(exp=True)),
    ],
)
def test_what_is_no_voice_token_is_invalid(token: str) -> None:
    def check() -> None:
        tokens.issuer_of(token)
        tokens.verify(token, SECRET)

    assert refusal(check) == 31204


def test_deeply_nested_claims_are_invalid_and_no_crash() -> None:
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","cty":"twilio-fpa;v=1"}').rstrip(b"=").decode()
    body = base64.urlsafe_b64encode(b"[" * 9000).rstrip(b"=").decode()
    assert refusal(lambda: tokens.issuer_of(f"{head}.{body}.c2ln")) == 31204


def test_a_wrong_signature_is_its_own_error() -> None:
    assert refusal(lambda: read(signed(payload(), secret="6" * 32))) == 31202
    assert refusal(lambda: read(signed(payload())[:-3] + "AAA")) == 31202


def test_a_token_of_tomorrow_is_invalid_but_a_clock_may_be_off() -> None:
    assert refusal(lambda: tokens.check_start(read(signed(payload(nbf=NOW + 61))), NOW)) == 31204
    tokens.check_start(read(signed(payload(nbf=NOW + 60))), NOW)


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        (payload(exp=NOW), 31205),
        (payload(exp=NOW - 1), 31205),
        (payload(exp=NOW + 86_400 + 61), 31207),
        (payload(exp=1e400), 31207),
        (payload(exp=NOW + 60, iat=NOW - 86_400 - 1), 31207),
        (payload(grants={"identity": "al ice", "voice": {}}), 31105),
        (payload(grants={"identity": "a\n", "voice": {}}), 31105),
        (payload(grants={"identity": "<alice>", "voice": {}}), 31105),
        (payload(grants={"identity": "a" * 257, "voice": {}}), 31105),
        (payload(grants={"identity": 7, "voice": {}}), 31105),
    ],
)
def test_a_life_that_cannot_be_accepted_says_why(claims: dict[str, Any], code: int) -> None:
    assert refusal(lambda: tokens.check_life(read(signed(claims)), NOW)) == code


@pytest.mark.parametrize(
    "identity", ["alice", "id1-1700000000000", "client_1", "a" * 256, "alice@example.test", "Zoë", "a.b+c"]
)
def test_identities_with_dashes_and_the_like_are_good(identity: str) -> None:
    tokens.check_life(read(signed(payload(grants={"identity": identity, "voice": {}}))), NOW)


def test_a_token_of_exactly_a_day_is_good() -> None:
    tokens.check_life(read(signed(payload(exp=NOW + 86_400, iat=NOW))), NOW)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: base64.urlsafe_b64encode(b).decode() + ".e30.x"))
def test_any_text_is_refused_and_nothing_else(text: str) -> None:
    with pytest.raises(errors.Refused):
        tokens.verify(text, SECRET)
        tokens.issuer_of(text)


def refusal(action: Any) -> int | None:
    with pytest.raises(errors.Refused) as caught:
        action()
    return caught.value.rule.signalling
