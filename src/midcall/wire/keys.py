"""What REST answers about API keys, under each of the vendor's names for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, structs

from midcall.core.accounts import ApiKey
from midcall.wire.dates import rfc2822
from midcall.wire.paging import Meta, Page
from midcall.wire.resources import Date, KeySidText


class KeyResource(Struct, frozen=True, kw_only=True):
    """An API key without its secret."""

    sid: KeySidText
    friendly_name: str
    date_created: Date
    date_updated: Date


class NewKeyResource(KeyResource, frozen=True, kw_only=True):
    """An API key when it is made: the only answer that shows the secret."""

    secret: str


class IamKeyResource(KeyResource, frozen=True, kw_only=True):
    """An API key in the newer key API; no key here has a policy."""

    policy: dict[str, Any] | None = None


class ListedIamKey(KeyResource, frozen=True, kw_only=True):
    """An API key in a list of the newer key API."""

    flags: Sequence[str]


class NewIamKeyResource(IamKeyResource, frozen=True, kw_only=True):
    """An API key when it is made by the newer key API."""

    secret: str


class KeyPage(Page, frozen=True, kw_only=True):
    keys: Sequence[KeyResource]


class SigningKeyPage(Page, frozen=True, kw_only=True):
    signing_keys: Sequence[KeyResource]


class IamKeyPage(Struct, frozen=True, kw_only=True):
    keys: Sequence[ListedIamKey]
    meta: Meta


def key_resource(key: ApiKey) -> KeyResource:
    return KeyResource(
        sid=key.sid,
        friendly_name=key.friendly_name,
        date_created=rfc2822(key.created_at),
        date_updated=rfc2822(key.updated_at),
    )


def new_key_resource(key: ApiKey) -> NewKeyResource:
    return NewKeyResource(**structs.asdict(key_resource(key)), secret=key.secret)


def iam_key_resource(key: ApiKey) -> IamKeyResource:
    return IamKeyResource(**structs.asdict(key_resource(key)))


def listed_iam_key(key: ApiKey) -> ListedIamKey:
    return ListedIamKey(**structs.asdict(key_resource(key)), flags=())


def new_iam_key_resource(key: ApiKey) -> NewIamKeyResource:
    return NewIamKeyResource(**structs.asdict(key_resource(key)), secret=key.secret)
