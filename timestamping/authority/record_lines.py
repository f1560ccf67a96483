"""A decision as the members of a JSON object (EN 319 421, clause 7.12)."""

from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted

from timestamping.authority.ports import ClockSnapshot, Decision

MAX_TEXT = 256
"""Characters, and below octets and bits, of one field: what a query has beyond them is refused, and not kept."""
MAX_OCTETS = 64
MAX_BITS = 256


def encode(decision: Decision) -> str:
    """Return the members of a decision's JSON object, in a fixed order, without the braces."""
    caller = decision.caller
    return (
        f'"received_at":{_time(decision.received_at)},"decided_at":{_time(decision.decided_at)},'
        f'"client":{_text(caller.client_id)},"address":{_text(caller.address)},'
        f'"reference":{_text(caller.reference)},"query_octets":{decision.query_octets},'
        f'"imprint_algorithm":{_text(decision.imprint_algorithm)},"imprint":{_hex(decision.imprint)},'
        f'"policy_asked":{_text(decision.policy_asked)},"nonce":{_number(decision.nonce)},'
        f'"certificates_asked":{_truth(decision.certificates_asked)},'
        f'"extensions_asked":{_truth(decision.extensions_asked)},"fail_info":{_text(decision.fail_info)},'
        f'"serial_number":{_number(decision.serial_number)},"gen_time":{_time(decision.gen_time)},'
        f'"policy":{_text(decision.policy)},"unit":{_text(decision.unit)},'
        f'"clock":{_snapshot(decision.snapshot)},"signing_seconds":{_seconds(decision.signing_seconds)},'
        f'"token_sha256":{_hex(decision.token_sha256)}'
    )


def moment_text(moment: datetime) -> str:
    """Write a moment in UTC, with microseconds and Z."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def _time(moment: datetime | None) -> str:
    return "null" if moment is None else f'"{moment_text(moment)}"'


def _text(text: str | None) -> str:
    return "null" if text is None else quoted(text[:MAX_TEXT])


def _hex(octets: bytes | None) -> str:
    return "null" if octets is None else f'"{octets[:MAX_OCTETS].hex()}"'


def _number(number: int | None) -> str:
    if number is None:
        return "null"
    return f'"{number:x}"' if number.bit_length() <= MAX_BITS else '"too long"'


def _truth(truth: bool | None) -> str:
    return "null" if truth is None else "true" if truth else "false"


def _seconds(seconds: float | None) -> str:
    return "null" if seconds is None else f"{seconds:.6f}"


@lru_cache(maxsize=8)
def _snapshot(snapshot: ClockSnapshot | None) -> str:
    """Encode a snapshot, which stays the same for many decisions."""
    if snapshot is None:
        return "null"
    return (
        f'{{"number":{snapshot.number},"state":{quoted(snapshot.state)},'
        f'"offset_seconds":{_seconds(snapshot.offset_seconds)},"error_seconds":{_seconds(snapshot.error_seconds)},'
        f'"checked_at":{_time(snapshot.checked_at)}}}'
    )
