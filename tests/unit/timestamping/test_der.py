"""What is written as DER, read by another library."""

from datetime import UTC, datetime, timedelta, timezone

from asn1crypto import core, parser
from asn1crypto.cms import CMSAttribute
from hypothesis import example, given
from hypothesis import strategies as st

from timestamping import der

OIDS = st.one_of(
    st.tuples(st.integers(0, 1), st.integers(0, 39)),
    st.tuples(st.just(2), st.integers(0, 2**70)),
).flatmap(
    lambda start: st.lists(st.integers(0, 2**130), max_size=8).map(lambda rest: ".".join(map(str, (*start, *rest))))
)


@given(st.integers(min_value=0))
@example(0)
@example(127)
@example(128)
@example(1 << 1023)
def test_integer(value: int) -> None:
    assert der.integer(value) == core.Integer(value).dump()


@given(st.integers(max_value=-1))
@example(-1)
@example(-129)
@example(-128)
def test_negative_integer(value: int) -> None:
    assert der.integer(value) == core.Integer(value).dump()


@given(OIDS)
@example("2.999.1")
@example("2.25.329800735698586629295641978511506172918")
@example("0.0")
def test_oid(dotted: str) -> None:
    assert der.oid(dotted) == core.ObjectIdentifier(dotted).dump()


@given(st.binary(max_size=300))
@example(bytes(127))
@example(bytes(128))
@example(bytes(255))
@example(bytes(256))
@example(bytes(65_535))
@example(bytes(65_536))
def test_octet_string_and_its_length(value: bytes) -> None:
    assert der.octet_string(value) == core.OctetString(value).dump()


def test_length_of_four_octets() -> None:
    encoded = der.octet_string(bytes(1 << 24))
    assert encoded[:6] == bytes.fromhex("048401000000")
    assert len(encoded) == 6 + (1 << 24)


@given(st.integers(0, 30), st.lists(st.binary(max_size=200), max_size=4))
def test_tlv(number: int, parts: list[bytes]) -> None:
    _, _, tag, _, content, trailer = parser.parse(der.tlv(number, *parts), strict=True)
    assert (tag, content, trailer) == (number, b"".join(parts), b"")


@given(st.integers(0, 30), st.binary(max_size=200))
def test_explicit(number: int, value: bytes) -> None:
    expected = core.OctetString(value, explicit=number).dump()
    assert der.explicit(number, der.octet_string(value)) == expected


@given(st.lists(st.binary(max_size=20).map(der.octet_string), max_size=6))
def test_sequence_keeps_the_order_and_set_sorts(members: list[bytes]) -> None:
    sequence = core.SequenceOf.load(der.sequence(*members), spec=core.OctetString, strict=True)
    assert [member.dump() for member in sequence] == members
    collection = core.SetOf.load(der.set_of(*members), spec=core.OctetString, strict=True)
    assert [member.dump() for member in collection] == sorted(members)


@given(st.datetimes(datetime(1970, 1, 1), datetime(9998, 12, 30)), st.integers(-14, 14))  # noqa: DTZ001
def test_generalized_time_in_any_zone(moment: datetime, hours: int) -> None:
    local = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    encoded = der.generalized_time(local)
    assert encoded.endswith(b"Z")
    assert len(encoded) == 17
    assert core.GeneralizedTime.load(encoded, strict=True).native == local.astimezone(UTC).replace(microsecond=0)


@given(st.datetimes(datetime(1970, 1, 1), datetime(9998, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001
@example(datetime(2026, 1, 1, 0, 0, 0, 999, tzinfo=UTC))
@example(datetime(2026, 1, 1, 0, 0, 0, 100_000, tzinfo=UTC))
@example(datetime(2026, 1, 1, 0, 0, 0, 1_999, tzinfo=UTC))
def test_generalized_time_in_milliseconds(moment: datetime) -> None:
    encoded = der.generalized_time(moment, milliseconds=True)
    millis = moment.microsecond // 1000
    assert encoded == core.GeneralizedTime(moment.replace(microsecond=millis * 1000)).dump()
    assert not encoded.endswith((b"0Z", b".Z")) or millis == 0


@given(st.integers(0, 30), st.integers())
def test_implicit(number: int, value: int) -> None:
    assert der.implicit(number, der.integer(value)) == core.Integer(value, implicit=number).dump()


def test_constants_and_attribute() -> None:
    assert core.Null.load(der.NULL, strict=True).dump() == der.NULL
    assert core.Boolean.load(der.TRUE, strict=True).native is True
    attribute = CMSAttribute.load(der.attribute("1.2.840.113549.1.9.4", der.octet_string(b"digest")), strict=True)
    assert attribute["type"].native == "message_digest"
    assert [value.native for value in attribute["values"]] == [b"digest"]
