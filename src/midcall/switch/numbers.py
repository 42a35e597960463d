"""Phone numbers of accounts: got, changed, and looked up when somebody calls them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from midcall.core import errors, numbers, sids
from midcall.core.accounts import Application
from midcall.core.calls import Call, Direction, Status
from midcall.core.errors import Refused
from midcall.core.leg import Leg
from midcall.core.numbers import PhoneNumber
from midcall.core.sids import AccountSid, ApplicationSid, CallSid, PhoneNumberSid
from midcall.ports import Clock, Entropy, Store
from midcall.switch.scripts import given_by, message_callback_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """What a call to an owned number runs: the number, and the application that it names."""

    number: PhoneNumber
    application: Application | None

    @property
    def voice(self) -> Application | PhoneNumber:
        """Whose addresses count."""
        return self.application or self.number

    def leg(self, *, sid: CallSid, caller: str, now: float, forwarded_from: str = "", stir_status: str = "") -> Leg:
        """The number's inbound leg, which nobody is on yet: a line or a client comes to it.

        Args:
            caller: whom it shows as calling.
            now: epoch seconds.
            forwarded_from, stir_status: see `core.calls.Call`.
        """
        script, reporting = given_by(self.voice)
        call = Call(
            sid=sid,
            account_sid=self.number.account_sid,
            parent_sid=None,
            direction=Direction.INBOUND,
            from_=caller,
            to=self.number.number,
            status=Status.RINGING,
            sdk_leg=False,
            created_at=now,
            updated_at=now,
            started_at=now,
            application_sid=None if self.application is None else self.application.sid,
            phone_number_sid=self.number.sid,
            forwarded_from=forwarded_from,
            stir_status=stir_status,
        )
        return Leg(
            call=call,
            identity=None,
            script=script,
            reporting=reporting,
            message_callback=message_callback_of(self.application),
        )


Change = Callable[[PhoneNumber], PhoneNumber]


class Numbers:
    """Use cases of phone numbers."""

    def __init__(self, *, store: Store, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy

    async def add(self, account: AccountSid, number: str, changed: Change) -> PhoneNumber:
        """Make a number the account's; `changed` gives it its settings.

        Raises:
            Refused: PHONE_NUMBER_INVALID, PHONE_NUMBER_TAKEN, APPLICATION_NOT_FOUND.
        """
        if not numbers.is_e164(number):
            raise Refused(errors.PHONE_NUMBER_INVALID, f"{number[:64]} is no number in E.164 format, like +14155550100")
        now = self._clock.now()
        made = PhoneNumber(
            sid=PhoneNumberSid(sids.mint("PN", self._entropy(sids.ENTROPY_BYTES))),
            account_sid=account,
            number=number,
            friendly_name=numbers.formatted(number),
            created_at=now,
            updated_at=now,
        )
        return await self.put(changed(made))

    async def add_in(self, account: AccountSid, area_code: str, changed: Change) -> PhoneNumber:
        """Make any number of an area the account's: one that is kept free of people.

        Raises:
            Refused: AREA_CODE_INVALID, AREA_CODE_EXHAUSTED, APPLICATION_NOT_FOUND.
        """
        if not numbers.is_area_code(area_code):
            raise Refused(errors.AREA_CODE_INVALID)
        subscribers = list(numbers.FICTIONAL)
        turn = int.from_bytes(self._entropy(2), "big") % len(subscribers)
        for subscriber in subscribers[turn:] + subscribers[:turn]:
            number = numbers.in_area(area_code, subscriber)
            if await self._store.phone_number_of(account, number) is not None:
                continue
            try:
                return await self.add(account, number, changed)
            except Refused as refused:  # somebody else was quicker
                if refused.rule is not errors.PHONE_NUMBER_TAKEN:
                    raise
        raise Refused(errors.AREA_CODE_EXHAUSTED)

    async def put(self, number: PhoneNumber) -> PhoneNumber:
        """Store a number that was made or changed; as it is stored.

        Raises:
            Refused: APPLICATION_NOT_FOUND, PHONE_NUMBER_TAKEN.
        """
        if number.voice_application_sid is not None:
            await self._application(number.account_sid, number.voice_application_sid)
        number = replace(number, updated_at=self._clock.now())
        try:
            await self._store.put_phone_number(number)
        except Refused as refused:
            if refused.rule is errors.PHONE_NUMBER_TAKEN:
                raise Refused(refused.rule, f"{number.number} is not available: the account has it already") from None
            raise
        return number

    async def destination(self, account: AccountSid, number: str) -> Destination | None:
        """Who is called under a number; None when the account does not own it."""
        found = await self._store.phone_number_of(account, number)
        if found is None:
            return None
        application = None
        if found.voice_application_sid is not None:
            application = await self._store.application(account, found.voice_application_sid)
        return Destination(number=found, application=application)

    async def stir_status(self, account: AccountSid, caller: str) -> str:
        """How calls from somebody are attested: as the account's number says; empty for all others."""
        found = await self._store.phone_number_of(account, caller) if numbers.is_e164(caller) else None
        return "" if found is None else found.stir_status

    async def _application(self, account: AccountSid, sid: ApplicationSid) -> None:
        if await self._store.application(account, sid) is None:
            raise Refused(errors.APPLICATION_NOT_FOUND)
