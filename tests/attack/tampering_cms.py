"""Tampering inside the CMS of a signature, its timestamp or the archive timestamp."""

from collections.abc import Callable
from functools import partial

from asn1crypto import cms as asn1

from tests.attack.editing import (
    ARCHIVE,
    SIGNATURE,
    altered,
    contents,
    edit_cms,
    edit_contents,
    with_contents,
)
from tests.attack.material import Material


def _signer(data: asn1.SignedData) -> asn1.SignerInfo:
    return data["signer_infos"][0]


def _signed_value(data: asn1.SignedData, kind: str) -> bytes:
    return bytes(next(a["values"][0] for a in _signer(data)["signed_attrs"] if a["type"].native == kind).dump())


def _certificate(data: asn1.SignedData, *, signers: bool) -> bytes:
    """Return the signature value inside the signer's certificate, or inside its issuer's."""
    serial_number = _signer(data)["sid"].chosen["serial_number"].native
    found = next(c.chosen for c in data["certificates"] if (c.chosen.serial_number == serial_number) is signers)
    return bytes(found["signature_value"].native)


def _stamp(data: asn1.SignedData) -> asn1.ContentInfo:
    return _signer(data)["unsigned_attrs"][0]["values"][0]


PARTS: dict[str, Callable[[asn1.SignedData], bytes]] = {
    "value": lambda data: bytes(_signer(data)["signature"].native),
    "message_digest": lambda data: _signed_value(data, "message_digest"),
    "signing_certificate": lambda data: _signed_value(data, "signing_certificate_v2"),
    "certificate": partial(_certificate, signers=True),
    "issuer": partial(_certificate, signers=False),
    "imprint": lambda data: bytes(
        data["encap_content_info"]["content"].parsed["message_imprint"]["hashed_message"].native
    ),
    "time": lambda data: bytes(data["encap_content_info"]["content"].parsed["gen_time"].contents),
}


def part(which: int, part: str) -> Callable[[bytes], bytes]:
    """Change one bit of a part of the signature's CMS or of the archive timestamp."""

    def change(der: bytes) -> bytes:
        return altered(der, PARTS[part](asn1.ContentInfo.load(der)["content"]))

    return lambda data: edit_contents(data, which, change)


def stamp_part(part: str) -> Callable[[bytes], bytes]:
    """Change one bit of a part of the signature timestamp."""

    def change(der: bytes) -> bytes:
        token = bytes(_stamp(asn1.ContentInfo.load(der)["content"]).dump())
        return der.replace(token, altered(token, PARTS[part](asn1.ContentInfo.load(token)["content"])))

    return lambda data: edit_contents(data, SIGNATURE, change)


def on_lta(change: Callable[[bytes], bytes]) -> Callable[[Material], bytes]:
    return lambda m: change(m.lta)


def on_t(change: Callable[[bytes], bytes]) -> Callable[[Material], bytes]:
    return lambda m: change(m.t)


def stamp_removed(m: Material) -> bytes:
    def change(data: asn1.SignedData) -> None:
        signer = _signer(data)
        data["signer_infos"] = asn1.SignerInfos(
            [asn1.SignerInfo({key: signer[key] for key in signer if key != "unsigned_attrs"})]
        )

    return edit_cms(m.lta, SIGNATURE, change)


def two_signers(m: Material) -> bytes:
    def change(data: asn1.SignedData) -> None:
        signers = data["signer_infos"]
        bare = {key: signers[0][key] for key in signers[0] if key != "unsigned_attrs"}
        data["signer_infos"] = asn1.SignerInfos([signers[0], asn1.SignerInfo(bare)])

    return edit_cms(m.t, SIGNATURE, change)


def stamp_of_another(m: Material) -> bytes:
    """The signature timestamp of another signature, genuine in itself (T-10)."""
    foreign = _stamp(asn1.ContentInfo.load(contents(m.other, SIGNATURE))["content"])

    def change(data: asn1.SignedData) -> None:
        _signer(data)["unsigned_attrs"][0]["values"] = asn1.SetOfContentInfo([foreign])

    return edit_cms(m.t, SIGNATURE, change)


def archive_of_another(m: Material) -> bytes:
    """The archive timestamp of another document, genuine in itself (T-10)."""
    return with_contents(m.lta, ARCHIVE, contents(m.other, ARCHIVE))


def stamp_as_archive(m: Material) -> bytes:
    """The signature's own timestamp in the place of the archive timestamp."""
    return with_contents(m.lta, ARCHIVE, _stamp(asn1.ContentInfo.load(contents(m.lta, SIGNATURE))["content"]).dump())


def signature_of_another(m: Material) -> bytes:
    return with_contents(m.t, SIGNATURE, contents(m.other, SIGNATURE))


def archive_as_signature(m: Material) -> bytes:
    return with_contents(m.t, SIGNATURE, contents(m.lta, ARCHIVE))
