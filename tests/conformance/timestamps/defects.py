"""The words by which a case names what is wrong with a reply, and what each does (RFC 3161, RFC 5652)."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from asn1crypto import cms as asn1
from asn1crypto import core, tsp

from tests.conformance.defective_tokens import (
    EXTENSION,
    SHA1,
    Defect,
    Parts,
    directory_name,
    ess_v1,
    ess_v2,
    raw_time,
)
from tests.conformance.timestamps.units import UnitWish, pki
from timestamping.clock import utc_now

QC_STATEMENTS = "1.3.6.1.5.5.7.1.3"
QUALIFIED = bytes.fromhex("300b30090607040081975e0101")
"""QCStatements with esi4-qtstStatement-1, 0.4.0.19422.1.1, and nothing else."""


def _info(**fields: object) -> Defect:
    return lambda parts: parts.info.update(fields)


def _time(text: str) -> Defect:
    return lambda parts: parts.info.update(gen_time=raw_time(f"{utc_now():%Y%m%d%H%M%S}{text}"))


def _attribute(name: str, value: object) -> Defect:
    return lambda parts: parts.attributes.update({name: value})


def _without(name: str) -> Defect:
    return lambda parts: parts.attributes.pop(name)


def _more(name: str, *values: object) -> Defect:
    return lambda parts: parts.more_attributes.append((name, list(values)))


def _part(name: str, value: object) -> Defect:
    return lambda parts: setattr(parts, name, value)


def _two_values(parts: Parts) -> None:
    del parts.attributes["message_digest"]
    parts.more_attributes.append(("message_digest", [None, bytes(32)]))


def _other_imprint(parts: Parts) -> None:
    parts.info["message_imprint"]["hashed_message"] = bytes(32)


def _ess_of_another(parts: Parts) -> None:
    parts.attributes["signing_certificate_v2"] = ess_v2(parts.tsu.chain[0])


def _ess_version_1(parts: Parts) -> None:
    del parts.attributes["signing_certificate_v2"]
    parts.attributes["signing_certificate"] = ess_v1(parts.tsu.certificate)


def _ess_other_serial(parts: Parts) -> None:
    value = tsp.SigningCertificateV2.load(ess_v2(parts.tsu.certificate).dump())
    value["certs"][0]["issuer_serial"] = {
        "issuer": [directory_name(parts.tsu.certificate.issuer)],
        "serial_number": 1,
    }
    parts.attributes["signing_certificate_v2"] = value


def _hours_ahead(hours: float) -> Defect:
    def defect(parts: Parts) -> None:
        parts.info["gen_time"] += timedelta(hours=hours)

    return defect


def _genuine_leaf_added(parts: Parts) -> None:
    """Certificates of a trusted unit around a token that a stranger signed (rfc3161-client before 1.0.6)."""
    genuine = pki().unit(UnitWish())
    parts.certificates[:0] = [genuine.certificate, genuine.chain[0]]


def _genuine_leaf_named(parts: Parts) -> None:
    """The stranger's SignerInfo names a trusted unit, whose key has not signed."""
    genuine = pki().unit(UnitWish())
    parts.named = genuine.certificate
    parts.attributes["signing_certificate_v2"] = ess_v2(genuine.certificate)
    parts.certificates = [genuine.certificate, genuine.chain[0]]


def _genuine_leaf_by_ess(parts: Parts) -> None:
    """The signed attribute names a trusted unit, the SignerInfo the stranger."""
    genuine = pki().unit(UnitWish())
    parts.attributes["signing_certificate_v2"] = ess_v2(genuine.certificate)
    parts.certificates[:0] = [genuine.certificate, genuine.chain[0]]


def _strangers_added(parts: Parts) -> None:
    stranger = pki().unit(UnitWish(issuer="stranger"))
    parts.certificates[:0] = [stranger.certificate, *stranger.chain]


def _tsa_another(parts: Parts) -> None:
    parts.info["tsa"] = directory_name(parts.tsu.certificate.issuer)


def _octet_of_info(token: bytes) -> bytes:
    content = asn1.ContentInfo.load(token)["content"]["encap_content_info"]["content"]
    octets = bytes(content)
    at = token.index(octets) + octets.index(b"\x02\x01\x01") + 10
    return token[:at] + bytes((token[at] ^ 1,)) + token[at + 1 :]


def _last_octet(token: bytes) -> bytes:
    return token[:-1] + bytes((token[-1] ^ 1,))


def _digest_algorithms(token: bytes) -> bytes:
    info = asn1.ContentInfo.load(token)
    info["content"]["digest_algorithms"] = [{"algorithm": "sha512"}]
    return bytes(info.dump())


def _long_length(token: bytes) -> bytes:
    """The outermost length with an octet too many."""
    return token[:1] + b"\x83\x00" + token[2:] if token[1] == 0x82 else token[:1] + b"\x82\x00" + token[2:]


def _indefinite(token: bytes) -> bytes:
    return token[:1] + b"\x80" + token[2 + (token[1] & 0x7F) :] + b"\0\0"


def _protection(signature: str) -> asn1.CMSAlgorithmProtection:
    return asn1.CMSAlgorithmProtection(
        {"digest_algorithm": {"algorithm": "sha256"}, "signature_algorithm": {"algorithm": signature}}
    )


def _padded_serial(octets: bytes) -> Defect:
    return _info(serial_number=core.Integer.load(b"\x02" + bytes((len(octets),)) + octets))


DEFECTS: Mapping[str, Defect] = MappingProxyType(
    {
        "nonce differs": lambda parts: parts.info.update(nonce=parts.info["nonce"] + 1),
        "nonce negated": lambda parts: parts.info.update(nonce=-parts.info["nonce"]),
        "nonce absent": _info(nonce=None),
        "nonce unasked": _info(nonce=4711),
        "certificates left out": _part("certificates", []),
        "other imprint": _other_imprint,
        "imprint by SHA-1": _info(
            message_imprint={"hash_algorithm": {"algorithm": "sha1"}, "hashed_message": bytes(20)}
        ),
        "imprint too short": _info(
            message_imprint={"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes(31)}
        ),
        "other policy": _info(policy="2.25.1"),
        "ESS of another certificate": _ess_of_another,
        "ESS with another serial number": _ess_other_serial,
        "no ESS": _without("signing_certificate_v2"),
        "ESS version 1": _ess_version_1,
        "ESS twice": lambda parts: parts.more_attributes.append(
            ("signing_certificate_v2", [ess_v2(parts.tsu.chain[0])])
        ),
        "no accuracy": _info(accuracy=None),
        "accuracy of a minute": _info(accuracy={"seconds": 60}),
        "accuracy of 1000 ms": _info(accuracy={"millis": 1000}),
        "critical extension": _info(extensions=[EXTENSION | {"critical": True}]),
        "unknown extension": _info(extensions=[EXTENSION]),
        "qualified statement": _info(
            extensions=[{"extn_id": QC_STATEMENTS, "critical": False, "extn_value": QUALIFIED}]
        ),
        "malformed statement": _info(
            extensions=[{"extn_id": QC_STATEMENTS, "critical": False, "extn_value": b"\x30\x02\x05\x00"}]
        ),
        "tsa of another name": _tsa_another,
        "tsa of the unit": lambda parts: parts.info.update(tsa=directory_name(parts.tsu.certificate.subject)),
        "genTime in 2099": _info(gen_time=raw_time("20990101000000Z")),
        "genTime an hour ahead": _hours_ahead(1),
        "genTime an hour ago": _hours_ahead(-1),
        "genTime a week ago": _hours_ahead(-7 * 24),
        "genTime with milliseconds": _time(".123Z"),
        "genTime with trailing zeros": _time(".500Z"),
        "genTime with an offset": _time("+0000"),
        "genTime without zone": _time(""),
        "genTime with a comma": _time(",5Z"),
        "genTime that is no time": _info(gen_time=raw_time("20261399250000Z")),
        "TSTInfo version 2": _info(version=2),
        "serial number negative": _info(serial_number=-1),
        "serial number of 320 bits": _info(serial_number=1 << 319),
        "serial number padded": _padded_serial(b"\x00\x00\x07"),
        "serial number negative and padded": _padded_serial(b"\xff\xff"),
        "attributes unsorted": _part("sorted_attributes", False),
        "no content-type": _without("content_type"),
        "other content-type": _attribute("content_type", "data"),
        "content-type twice": _more("content_type", "tst_info"),
        "eContentType data": _part("content_type", "data"),
        "no message-digest": _without("message_digest"),
        "other message-digest": _attribute("message_digest", bytes(32)),
        "message-digest twice": _more("message_digest", bytes(32)),
        "message-digest of two values": _two_values,
        "algorithm-protection": _more("cms_algorithm_protection", _protection("sha256_ecdsa")),
        "algorithm-protection of others": _more("cms_algorithm_protection", _protection("sha512_ecdsa")),
        "algorithm-protection twice": lambda parts: parts.more_attributes.extend(
            [("cms_algorithm_protection", [_protection("sha256_ecdsa")])] * 2
        ),
        "signed with SHA-1": _part("digest", SHA1),
        "digestAlgorithms of others": lambda parts: parts.changes.append(_digest_algorithms),
        "two signers": _part("signers", 2),
        "no signer": _part("signers", 0),
        "key of another": lambda parts: setattr(parts, "key", pki().stranger.key),
        "content changed": lambda parts: parts.changes.append(_octet_of_info),
        "signature changed": lambda parts: parts.changes.append(_last_octet),
        "genuine leaf added": _genuine_leaf_added,
        "genuine leaf named": _genuine_leaf_named,
        "genuine leaf by ESS": _genuine_leaf_by_ess,
        "strangers' certificates added": _strangers_added,
        "outer length too long": lambda parts: parts.changes.append(_long_length),
        "outer length indefinite": lambda parts: parts.changes.append(_indefinite),
        "refused with a token": _part("status", 2),
        "granted with modifications": _part("status", 1),
        "granted without a token": _part("with_token", False),
        "octets behind": _part("behind", b"\0"),
    }
)
