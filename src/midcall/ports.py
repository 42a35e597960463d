"""What the switch needs from the world: Store, Bus, Sender, Media, Devices, Clock, Entropy, Trace.

Adapters with sibling names live in `storage`, `bus`, `webhooks`, `media` and `signalling`. Every adapter of a
port passes the same suite in `tests/contract`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NewType, Protocol, TypeVar

from midcall.core.accounts import Account, ApiKey, Application
from midcall.core.alerts import Alert, AlertFilter
from midcall.core.calls import Call, CallFilter
from midcall.core.delivery import Verdict
from midcall.core.feedback import Feedback, FeedbackSummary, Tally
from midcall.core.insights import Insight, InsightFilter
from midcall.core.lanes import Attempt, Lane, LaneKind, Missed, Replay, Turn, Undelivered
from midcall.core.messages import Appended, Draft, Entry, IdempotencyClaim, Limits, Log, Subscription
from midcall.core.numbers import PhoneNumber
from midcall.core.progress import Standing
from midcall.core.sids import AccountSid, ApplicationSid, CallSid, KeySid, PhoneNumberSid, SubscriptionSid, SummarySid

T = TypeVar("T")

# ---------------------------------------------------------------------------------------------------- time and chance


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """Wall time for stamps and due times, monotonic time for waits. Tests turn it by hand."""

    def now(self) -> float:
        """Epoch seconds, UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Run the callback on the loop after `delay_s` (at once, but not before returning, when not positive)."""


async def pause(clock: Clock, seconds: float) -> None:
    """Let so much time pass on a clock."""
    over = asyncio.Event()
    timer = clock.call_later(seconds, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()


Entropy = Callable[[int], bytes]
"""So many unpredictable bytes: `secrets.token_bytes` in production, seeded in tests."""

# -------------------------------------------------------------------------------------------------------------- store


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A page in the list's order (newest first): the rows from, after, or right before the row with that sid.

    The row needs not be in the list itself: a filter may have lost it since it was shown.
    """

    size: int = 50
    after: str | None = None
    before: str | None = None
    first: str | None = None


@dataclass(frozen=True, slots=True)
class PageResult(Generic[T]):
    """Attributes: the rows; whether there are others on both sides; the sid of the row that comes next."""

    rows: Sequence[T]
    has_next: bool
    has_previous: bool
    following: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusLane:
    """Where a leg's status callbacks go from now on. An empty URL ends the lane."""

    url: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One step of an actor (a leg or a room), saved in one transaction.

    Attributes:
        owner: the leg's sid or the room's id.
        account_sid: the tenant.
        state: the actor's new state, opaque to the store; None deletes it together with its timers.
        timers: all timers of the owner, name to epoch seconds due; replaces what was there.
        call: the new row of the call resource, when it changed. A final status closes the leg's lanes (they end once
            drained) and lists the to_client entries after the cursor `reader` as undelivered.
        status_lane: opens the leg's status lane at its log's end, or changes its address.
        status_entries: contents for the status log (JSON objects), appended in order.
        reader: whose cursor counts for the to_client log when the leg ends; None: nobody took the call, all entries
            are undelivered.
        receipts_lost: the leg ends because its server died: what may have been written to the client without a
            committed receipt is listed with the reason `receipt unknown`.
        subscriptions: opened at the log's beginning, which is at `first_sequence`.
        at: epoch seconds of this step.
    """

    owner: str
    account_sid: AccountSid
    state: bytes | None
    at: float
    timers: Mapping[str, float] = field(default_factory=dict)
    call: Call | None = None
    status_lane: StatusLane | None = None
    status_entries: Sequence[bytes] = ()
    reader: str | None = None
    receipts_lost: bool = False
    subscriptions: Sequence[Subscription] = ()
    first_sequence: int = 1
    alerts: Sequence[Alert] = ()


@dataclass(frozen=True, slots=True)
class Saved:
    """An actor as it was last saved."""

    state: bytes
    timers: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Claimed:
    """Lanes that were due.

    Attributes:
        more: others are due too: beyond the limit, or not wanted.
    """

    turns: Sequence[Turn]
    more: bool = False


class FeedbackRows(Protocol):
    """The part of the store that keeps what people thought of calls."""

    async def put_feedback(self, feedback: Feedback) -> Feedback:
        """Insert or replace the feedback of a call; the first one's `created_at` stays.

        Raises:
            Refused: NOT_FOUND, when the account has no such call.
        """

    async def feedback(self, account: AccountSid, call: CallSid) -> Feedback | None: ...

    async def feedback_tally(self, account: AccountSid, since: float, until: float) -> Tally:
        """The account's calls that were created from `since` until before `until`, and the feedback of these."""

    async def put_feedback_summary(self, summary: FeedbackSummary) -> None: ...

    async def feedback_summary(self, account: AccountSid, sid: SummarySid) -> FeedbackSummary | None: ...

    async def delete_feedback_summary(self, account: AccountSid, sid: SummarySid) -> bool:
        """True when it was there."""


class Store(FeedbackRows, Protocol):
    """The truth. A method that returns has committed, unless its docstring says otherwise.

    Methods that change something, and `load`, `live_owners`, `cursor` and those of lanes, run in the order they were
    called, so an actor may save without waiting and load later; only moves of cursors, claims and settlements may
    overtake what nobody has waited for yet. Other reads see at least what was awaited before.
    Everything raises `Refused(STORE_UNAVAILABLE)` when the disk is full or failing; then nothing was done.
    """

    async def close(self) -> None:
        """Commit what was accepted and let go of the files."""

    # accounts, keys, applications, phone numbers: plain rows, newest first in lists

    async def put_account(self, account: Account) -> None:
        """Insert or replace."""

    async def account(self, sid: AccountSid) -> Account | None: ...

    async def accounts(
        self,
        owner: AccountSid,
        page: PageRequest,
        *,
        friendly_name: str | None = None,
        status: str | None = None,
    ) -> PageResult[Account]:
        """The owner itself and its subaccounts."""

    async def put_key(self, key: ApiKey) -> None: ...

    async def key(self, sid: KeySid) -> ApiKey | None: ...

    async def keys(self, account: AccountSid, page: PageRequest) -> PageResult[ApiKey]: ...

    async def delete_key(self, account: AccountSid, sid: KeySid) -> bool:
        """True when it was there."""

    async def put_application(self, application: Application) -> None: ...

    async def application(self, account: AccountSid, sid: ApplicationSid) -> Application | None: ...

    async def applications(
        self, account: AccountSid, page: PageRequest, *, friendly_name: str | None = None
    ) -> PageResult[Application]: ...

    async def delete_application(self, account: AccountSid, sid: ApplicationSid) -> bool: ...

    async def put_phone_number(self, number: PhoneNumber) -> None:
        """Insert or replace.

        Raises:
            Refused: PHONE_NUMBER_TAKEN when the account has another row with that number.
        """

    async def phone_number(self, account: AccountSid, sid: PhoneNumberSid) -> PhoneNumber | None: ...

    async def phone_number_of(self, account: AccountSid, number: str) -> PhoneNumber | None:
        """The account's row of a number in E.164."""

    async def phone_numbers(
        self, account: AccountSid, page: PageRequest, *, friendly_name: str | None = None, part: str | None = None
    ) -> PageResult[PhoneNumber]:
        """`part`: digits (and a plus) that the number has next to each other; `*` stands for one digit."""

    async def delete_phone_number(self, account: AccountSid, sid: PhoneNumberSid) -> bool: ...

    # calls and actors

    async def save(self, transition: Transition) -> None:
        """Commit one step of an actor."""

    def save_soon(self, transition: Transition) -> None:
        """The same step without waiting for its commit: for steps that nobody outside can see.

        A later `load` sees it; a crash may lose it. Errors are logged by the store.
        """

    async def load(self, owner: str) -> Saved | None: ...

    async def live_owners(self) -> Sequence[str]:
        """Owners (legs and rooms) that have a saved state, oldest first."""

    async def call(self, account: AccountSid, sid: CallSid) -> Call | None: ...

    async def calls(self, account: AccountSid, where: CallFilter, page: PageRequest) -> PageResult[Call]: ...

    async def delete_call(self, account: AccountSid, sid: CallSid) -> bool:
        """Delete an ended call with its logs, lanes and lists, truly. The caller has checked that it has ended."""

    async def surplus(self, account: AccountSid, keep: int, limit: int) -> Sequence[CallSid]:
        """Ended calls that are not needed to keep an account's newest `keep` messages, oldest first.

        Only such whose lanes have ended: what is still to be delivered is not surplus.
        """

    async def purge(self, now: float) -> None:
        """Forget what nobody may ask for any more: idempotency keys of calls that ended 24 hours ago."""

    # messages

    async def append_message(
        self, draft: Draft, limits: Limits, idempotency: IdempotencyClaim | None = None
    ) -> Appended:
        """Append a message with the next sequence number of its log, in one transaction with its checks.

        In this order: a known idempotency key returns its first entry (or raises IDEMPOTENCY_CONFLICT); an entry with
        the same (leg, log, sid) is returned as a repeat; `core.messages.admit` judges; the row is written. The first
        number is `limits.first_sequence` in the from_client log, and 1 in the others, whose numbers nobody outside sees
        and whose readers start at 0.

        Raises:
            Refused: what `admit` raises, or IDEMPOTENCY_CONFLICT.
        """

    async def entries_after(self, leg: CallSid, log: Log, seq: int, limit: int) -> Sequence[Entry]:
        """Entries with a greater sequence number, in order."""

    async def entry(self, account: AccountSid, leg: CallSid, sid: str) -> Entry | None:
        """A message of either direction by its sid."""

    async def entries(self, account: AccountSid, leg: CallSid, log: Log | None, page: PageRequest) -> PageResult[Entry]:
        """Messages of one direction or both, newest first; paged by their sids."""

    async def standing(self, account: AccountSid, leg: CallSid, from_client: range, to_client: range) -> Standing:
        """What became of the messages with these numbers."""

    async def cursor(self, leg: CallSid, reader: str) -> int:
        """Position of a connection on the leg's to_client log; 0 when it has none."""

    def move_cursor(
        self, leg: CallSid, reader: str, seq: int, *, written_at: float | None = None, at: float | None = None
    ) -> None:
        """Note a receipt. Forward only; commits with the next group, so it may repeat after a crash.

        Args:
            written_at: when the message was first handed to a socket; `at`: when the echo came.
        """

    def bound_writes(self, leg: CallSid, reader: str, seq: int | None) -> None:
        """Note that a connection's client is away and nothing after `seq` is written to it; None: it may be again.

        Without a note anything may have been written. Commits with the next group; `cursor` waits for that.
        """

    async def undelivered(
        self, account: AccountSid, leg: CallSid | None, limit: int, *, since: float | None = None
    ) -> Sequence[Undelivered]:
        """Newest first; with `since` only what was given up then or later."""

    async def missed(self, account: AccountSid, leg: CallSid | None, since: float | None) -> Sequence[Missed]:
        """What subscriptions gave up (then or later) and no replay has delivered yet, oldest call first."""

    # subscriptions

    async def add_subscription(
        self, subscription: Subscription, limits: Limits, idempotency: IdempotencyClaim | None = None
    ) -> tuple[Subscription, bool]:
        """Open a lane at the log's end, or at its start; (subscription, whether its idempotency key was known).

        Raises:
            Refused: what `core.messages.check_leg` raises, TOO_MANY_SUBSCRIPTIONS or IDEMPOTENCY_CONFLICT.
        """

    async def end_subscription(self, account: AccountSid, leg: CallSid, sid: SubscriptionSid, *, at: float) -> bool:
        """End its lane and list what it did not deliver. False when unknown or ended before by a DELETE."""

    async def subscriptions(self, account: AccountSid, leg: CallSid) -> Sequence[Subscription]: ...

    # lanes

    async def due_lanes(self, now: float, limit: int) -> Sequence[str]:
        """Lanes with something to send, due and not leased, longest due first."""

    async def next_due(self) -> float | None:
        """When the next lane that has something to send is due (or its lease runs out); None when nothing waits."""

    async def claim(self, lane_id: str, *, now: float, lease_until: float) -> Turn | None:
        """Lease a lane and get its head. None when it has nothing due, is leased, or has ended."""

    async def claim_due(self, *, now: float, lease_until: float, limit: int, but: Collection[str] = ()) -> Claimed:
        """Lease up to so many of the due lanes, longest due first, and get their heads.

        Args:
            but: lanes that are not wanted: the caller has them already.
        """

    async def settle(
        self, turn: Turn, verdict: Verdict, *, now: float, lease_until: float, attempt: Attempt | None = None
    ) -> Turn | None:
        """Record what became of a turn; when the lane goes on at once, the next turn under a renewed lease.

        After `Delivered` and `StepOver` the cursor moves by one and attempts start at 0; after `RetryAt` the
        lease is given
        back, attempts grow by one (unless not `counted`) and the lane waits; after `EndLane` it is over. Only
        `Delivered` opens a lane that was down; `StepOver` leaves its state. A stale lease changes nothing and
        returns None. Commits with the next group, so after a crash the same entry may be handed out again.

        A replay that delivers a message marks what its origin gave up. What a replay gives up itself is told by its
        own row only, and is not listed as undelivered.

        Args:
            attempt: what was sent; kept as the message's delivery on this lane, except for status callbacks.
        """

    async def lanes(self, account: AccountSid, leg: CallSid | None, limit: int) -> Sequence[Lane]: ...

    async def lane(self, account: AccountSid, lane_id: str) -> Lane | None: ...

    async def lane_page(
        self, account: AccountSid, kind: LaneKind, leg: CallSid | None, page: PageRequest
    ) -> PageResult[Lane]:
        """Lanes of one kind (messages or replay), newest first; paged by their ids."""

    async def add_replays(self, replays: Sequence[Replay]) -> None:
        """Open a lane for each replay, all or none.

        Raises:
            Refused: NOT_FOUND when a leg does not exist (any more).
        """

    async def end_replay(self, account: AccountSid, lane_id: str) -> bool:
        """Stop a replay; what it has not sent is not sent. False when unknown or over."""

    # alerts

    async def add_alert(self, alert: Alert) -> None: ...

    async def alert(self, account: AccountSid, sid: str) -> Alert | None: ...

    async def alerts(self, account: AccountSid, where: AlertFilter, page: PageRequest) -> PageResult[Alert]: ...

    async def purge_alerts(self, before: float, limit: int) -> int:
        """Delete alerts of no call that were raised before then (epoch seconds), at most so many; how many they were.

        Those of a call go with it (`delete_call`).
        """


# ---------------------------------------------------------------------------------------------------------------- bus


@dataclass(frozen=True, slots=True)
class Nudge:
    """Something is after your cursor: a leg and the log that grew."""

    leg_sid: CallSid
    log: Log


class Bus(Protocol):
    """Carries nudges. A lost nudge costs one sweep, never a message."""

    def nudge(self, nudge: Nudge) -> None: ...

    def listen(self, listener: Callable[[Nudge], None]) -> None:
        """Call the listener for each nudge, on the loop, never inside `nudge`."""


# ------------------------------------------------------------------------------------------------------------- sender


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request to a customer's server.

    Attributes:
        url: without fragment; userinfo, if any, is sent as basic authentication.
        total_s: limit for everything, connecting included.
        connect_s, read_s: limits for connecting, and for each wait for bytes.
        redirects: how many are followed (301, 302 and 303 become GET); 0 returns the 3xx.
        resign: makes new headers for a redirect's target; None keeps them.
        body_cap: more bytes than this end the request with the error `body too large`.
        status_only: the answer's status is all that counts: its body is thrown away but for its beginning, however
            long or broken.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    total_s: float = 15.0
    connect_s: float = 5.0
    read_s: float = 15.0
    redirects: int = 0
    resign: Callable[[str, str, bytes], Mapping[str, str]] | None = None
    body_cap: int = 64 * 1024
    status_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came back.

    Attributes:
        status: HTTP status, None when no complete answer came.
        error: documented code of what went wrong on the way (11205 connect, 11210 name, 11220 TLS, 11200
        timeout or broken
            answer, 11215 redirects, 11750 body too large, 21205-like guard refusal is 11205), None with a status.
        reason: one sentence for a person; empty with a status.
        headers: of the answer, lower-case names.
        body: up to the cap; of `status_only` its first bytes, as they came, for people to read.
        url: the URL that answered, after redirects.
        duration_s: from start to end.
    """

    status: int | None
    error: int | None = None
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    url: str = ""
    duration_s: float = 0.0

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Sender(Protocol):
    async def send(self, request: Request) -> Outcome:
        """Send it, guarded: the address is checked after name resolution. Never raises for what the peer does."""

    async def close(self) -> None: ...


# -------------------------------------------------------------------------------------------------------------- media
@dataclass(frozen=True, slots=True, kw_only=True)
class Terminate:
    """Answer a client's offer now; bridging comes later. Also for a leg that has media already: a restarted ICE
    session gets a fresh peer that takes the leg's place in its bridge. Leads to AnswerReady or MediaFailed."""

    leg: CallSid
    offer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeOffer:
    """Make an offer for a client. `like`: a leg whose negotiated codec should come first. Leads to OfferReady."""

    leg: CallSid
    like: CallSid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyAnswer:
    """The client's answer to MakeOffer (or to the child's offer of Couple)."""

    leg: CallSid
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Couple:
    """The other shape: an engine that pairs offers. The caller's offer becomes the child's; the child's answer
    becomes the
    caller's. Leads to OfferReady(child), and after ApplyAnswer(child) to AnswerReady(leg); the pair is joined then."""

    leg: CallSid
    offer: str
    child: CallSid


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Pass audio and RFC 4733 digits between two legs, both ways. Stops any sound played to them.

    A leg joined with itself hears what it says (`<Echo>`).
    """

    leg: CallSid
    other: CallSid


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Connect two legs that have no client, end to end and for good: what one hears the other one says, audio and
    RFC 4733 digits, and a sound that is played to one is said by the other. Nothing has to be negotiated.

    `like`: a leg whose codec comes first in what `leg` will be bridged with, and which `other` will be bridged with.
    """

    leg: CallSid
    other: CallSid
    like: CallSid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Undo Join; both legs stay up and hear silence."""

    leg: CallSid
    other: CallSid


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayRingback:
    """Let the leg hear a ringback tone until Join, StopSound or CloseMedia."""

    leg: CallSid


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSound:
    leg: CallSid


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDigits:
    """Send digits (0-9 * # A-D, w = 500 ms pause) to the leg as RFC 4733, where it negotiated telephone-event."""

    leg: CallSid
    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseMedia:
    """End the leg's media. Unknown legs are ignored."""

    leg: CallSid


MediaCommand = (
    Terminate
    | MakeOffer
    | ApplyAnswer
    | Couple
    | Join
    | Link
    | Part
    | PlayRingback
    | StopSound
    | SendDigits
    | CloseMedia
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferReady:
    leg: CallSid
    sdp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerReady:
    leg: CallSid
    sdp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaConnected:
    """ICE and DTLS are up."""

    leg: CallSid


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLost:
    """Nothing comes from the leg any more (ICE consent lost or DTLS closed)."""

    leg: CallSid


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFailed:
    """A command could not be carried out: unusable SDP, no free port, the worker died.

    Attributes:
        peers_fault: the client sent something unusable.
    """

    leg: CallSid
    reason: str
    peers_fault: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitHeard:
    """One RFC 4733 digit from the leg, reported once. Passing it on to a joined leg is the engine's own work."""

    leg: CallSid
    digit: str


MediaEvent = OfferReady | AnswerReady | MediaConnected | MediaLost | MediaFailed | DigitHeard


class Media(Protocol):
    """Commands in, events out, in order per leg; nothing else, so that an engine may live in another process."""

    async def start(self, on_event: Callable[[MediaEvent], None]) -> None:
        """Get ready; events are called on the loop."""

    def do(self, command: MediaCommand) -> None:
        """Never blocks, never raises; what goes wrong comes back as MediaFailed."""

    async def close(self) -> None: ...


# ------------------------------------------------------------------------------------------------------------ devices

DeviceId = NewType("DeviceId", str)
"""Names one signalling connection of one client for as long as its socket (and its resumes) live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """An incoming call for a device. `parameters`: From, To, CallSid, AccountSid, Params as on the wire."""

    leg: CallSid
    sdp: str
    parameters: Mapping[str, str]


class Devices(Protocol):
    """Clients as the switch sees them. Implemented by the signalling hub. Nothing here blocks or raises.

    A leg is *held* by a device: from `place` for a leg the SDK placed, from its answer for a leg it was offered.
    While a leg
    is ringing at several devices, each is *offered* the leg and has its own reader on the leg's messages.
    """

    def registered(self, account: AccountSid, identity: str) -> Sequence[DeviceId]: ...

    def declares_no_media(self, device: DeviceId) -> bool: ...

    def invite(self, device: DeviceId, invite: Invite) -> None:
        """Offer a leg to a device, and flush the leg's messages to it."""

    def ringing(self, leg: CallSid, sdp: str | None) -> None: ...

    def answer(self, leg: CallSid, sdp: str | None) -> None:
        """Tell the holder that the leg is up (or its re-invite is answered), with a fresh reconnect token."""

    def taken(self, leg: CallSid, winner: DeviceId) -> None:
        """The winner's answer counts: it holds the leg now, gets `answer` with a reconnect token; the others
        get `cancel`."""

    def hangup(self, leg: CallSid, code: int | None = None, message: str | None = None) -> None:
        """End the leg at its holder and forget it; devices that are only offered the leg get `cancel`."""

    def reader(self, leg: CallSid) -> str | None:
        """Name of the holder's cursor on the leg's to_client log; None when nobody holds it."""

    def written_at(self, leg: CallSid, seq: int) -> float | None:
        """When a message without receipt was first handed to a socket; None: it was not, or has its receipt."""


# -------------------------------------------------------------------------------------------------------------- trace


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceEvent:
    """A line of a call's timeline. Lossy, never on the message path; redacted before it is recorded.

    Attributes:
        kind: a dotted word such as `leg.status`, `media.digit`, `webhook.attempt`, `signalling.frame`.
        detail: JSON-ready values.
    """

    at: float
    account_sid: AccountSid | None
    leg_sid: CallSid | None
    kind: str
    detail: Mapping[str, object]


class Trace(Protocol):
    def record(self, event: TraceEvent) -> None: ...

    async def timeline(
        self, account: AccountSid, leg: CallSid, limit: int, *, kinds: Collection[str] = ()
    ) -> Sequence[TraceEvent]:
        """The newest events up to the limit, of some kinds or of all, oldest first."""

    async def forget(self, account: AccountSid, leg: CallSid) -> None:
        """Delete the leg's timeline, and the insights beside it, as its call is deleted."""

    async def close(self) -> None: ...


class InsightLog(Protocol):
    """What clients tell about their calls. Lossy like the trace, which forgets them with their call, and never on the
    message path."""

    def record(self, insights: Sequence[Insight]) -> None:
        """Keep them if there is room. Never raises and never waits.

        One that names its call gives the call also to those of its account with the same temporary sid.
        """

    async def insights(
        self, account: AccountSid, call: CallSid, where: InsightFilter, page: PageRequest
    ) -> PageResult[Insight]:
        """Insights of a call, the last recorded first; nothing when they cannot be read."""

    async def forget_strays(self, before: float) -> None:
        """Delete those that were received before then and never found their call."""
