"""Accounts, keys, applications, phone numbers and alerts: plain rows."""

from __future__ import annotations

import apsw

from midcall.core import errors
from midcall.core.accounts import Account, ApiKey, Application
from midcall.core.alerts import Alert, AlertFilter
from midcall.core.errors import Refused
from midcall.core.numbers import PhoneNumber
from midcall.core.sids import AccountSid, ApplicationSid, KeySid, PhoneNumberSid
from midcall.ports import PageRequest, PageResult
from midcall.storage import rows
from midcall.storage.queries import first, run
from midcall.storage.verbs.pages import page as page_of


def put_account(db: apsw.Connection, account: Account) -> None:
    run(db, "put_account", rows.account_row(account))


def account(db: apsw.Connection, sid: AccountSid) -> Account | None:
    row = first(db, "account", (rows.key(sid, "AC"),))
    return None if row is None else rows.account(row)


def accounts(
    db: apsw.Connection, owner: AccountSid, page: PageRequest, friendly_name: str | None, status: str | None
) -> PageResult[Account]:
    where = {"owner": rows.key(owner, "AC"), "friendly_name": friendly_name, "status": status}
    return page_of(db, "list_accounts", where, page, "place_of_account", "AC", rows.account)


def put_key(db: apsw.Connection, key: ApiKey) -> None:
    run(db, "put_key", rows.api_key_row(key))


def key(db: apsw.Connection, sid: KeySid) -> ApiKey | None:
    row = first(db, "key", (rows.key(sid, "SK"),))
    return None if row is None else rows.api_key(row)


def keys(db: apsw.Connection, account: AccountSid, page: PageRequest) -> PageResult[ApiKey]:
    return page_of(db, "list_keys", {"account": rows.key(account, "AC")}, page, "place_of_key", "SK", rows.api_key)


def delete_key(db: apsw.Connection, account: AccountSid, sid: KeySid) -> bool:
    run(db, "delete_key", (rows.key(account, "AC"), rows.key(sid, "SK")))
    return db.changes() > 0


def put_application(db: apsw.Connection, application: Application) -> None:
    run(db, "put_application", rows.application_row(application))


def application(db: apsw.Connection, account: AccountSid, sid: ApplicationSid) -> Application | None:
    row = first(db, "application", (rows.key(account, "AC"), rows.key(sid, "AP")))
    return None if row is None else rows.application(row)


def applications(
    db: apsw.Connection, account: AccountSid, page: PageRequest, friendly_name: str | None
) -> PageResult[Application]:
    where = {"account": rows.key(account, "AC"), "friendly_name": friendly_name}
    return page_of(db, "list_applications", where, page, "place_of_application", "AP", rows.application)


def delete_application(db: apsw.Connection, account: AccountSid, sid: ApplicationSid) -> bool:
    run(db, "delete_application", (rows.key(account, "AC"), rows.key(sid, "AP")))
    return db.changes() > 0


def put_phone_number(db: apsw.Connection, number: PhoneNumber) -> None:
    """Raises:
    Refused: PHONE_NUMBER_TAKEN.
    """
    other = phone_number_of(db, number.account_sid, number.number)
    if other is not None and other.sid != number.sid:
        raise Refused(errors.PHONE_NUMBER_TAKEN)
    run(db, "put_phone_number", rows.phone_number_row(number))


def phone_number(db: apsw.Connection, account: AccountSid, sid: PhoneNumberSid) -> PhoneNumber | None:
    row = first(db, "phone_number", (rows.key(account, "AC"), rows.key(sid, "PN")))
    return None if row is None else rows.phone_number(row)


def phone_number_of(db: apsw.Connection, account: AccountSid, number: str) -> PhoneNumber | None:
    row = first(db, "phone_number_of", (rows.key(account, "AC"), number))
    return None if row is None else rows.phone_number(row)


def phone_numbers(
    db: apsw.Connection, account: AccountSid, page: PageRequest, friendly_name: str | None, part: str | None
) -> PageResult[PhoneNumber]:
    pattern = None if part is None else f"*{part.replace('*', '[0-9]')}*"
    where = {"account": rows.key(account, "AC"), "friendly_name": friendly_name, "pattern": pattern}
    return page_of(db, "list_phone_numbers", where, page, "place_of_phone_number", "PN", rows.phone_number)


def delete_phone_number(db: apsw.Connection, account: AccountSid, sid: PhoneNumberSid) -> bool:
    run(db, "delete_phone_number", (rows.key(account, "AC"), rows.key(sid, "PN")))
    return db.changes() > 0


def put_alert(db: apsw.Connection, alert: Alert) -> None:
    run(db, "put_alert", rows.alert_row(alert))


def alert(db: apsw.Connection, account: AccountSid, sid: str) -> Alert | None:
    row = first(db, "alert", (rows.key(account, "AC"), rows.key(sid, "NO")))
    return None if row is None else rows.alert(row)


def alerts(db: apsw.Connection, account: AccountSid, where: AlertFilter, page: PageRequest) -> PageResult[Alert]:
    bound: dict[str, str | bytes | float | None] = {
        "account": rows.key(account, "AC"),
        "level": where.level,
        "since": where.since,
        "before": where.before,
    }
    if where.call_sid is None:
        return page_of(db, "list_alerts", bound, page, "place_of_alert", "NO", rows.alert)
    bound["call"] = rows.key(where.call_sid, "CA")
    return page_of(db, "list_alerts_of_call", bound, page, "place_of_alert", "NO", rows.alert)


def purge_alerts(db: apsw.Connection, before: float, limit: int) -> int:
    run(db, "purge_alerts", (before, limit))
    return db.changes()
