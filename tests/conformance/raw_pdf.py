"""Signatures found in the octets of a PDF, without any PDF or ASN.1 library: what independent programs are given."""

import re
from dataclasses import dataclass

_BYTE_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]")
_SUB_FILTER = re.compile(rb"/SubFilter\s*/([A-Za-z0-9.]+)")
_SIGNATURE_TIMESTAMP = bytes.fromhex("060b2a864886f70d010910020e")
"""DER of the OID id-aa-signatureTimeStampToken (RFC 3161, appendix A)."""


@dataclass(frozen=True)
class RawSignature:
    """A signature or document timestamp: what its byte range covers, and what stands in the gap."""

    sub_filter: str
    dictionary: bytes
    """The signature dictionary's octets without /Contents."""
    byte_range: tuple[int, int, int, int]
    covered: bytes
    cms: bytes
    """The DER in /Contents without its zero padding."""

    @property
    def end(self) -> int:
        """Offset behind the last covered octet."""
        return self.byte_range[2] + self.byte_range[3]


def raw_signatures(data: bytes) -> list[RawSignature]:
    """Signatures and document timestamps in the order of their revisions."""
    found = []
    for match in _BYTE_RANGE.finditer(data):
        start, length, gap_end, rest = (int(number) for number in match.groups())
        gap = data[start + length : gap_end]
        if gap[:1] != b"<" or gap[-1:] != b">":
            raise ValueError(f"the gap of {match[0]!r} is no hexadecimal string")
        contents = bytes.fromhex(gap[1:-1].decode("ascii"))
        before = data[data.rindex(b" obj", 0, match.start()) : start + length]
        dictionary = before + data[gap_end : data.index(b"endobj", gap_end)]
        kind = _SUB_FILTER.search(dictionary)
        found.append(
            RawSignature(
                sub_filter=kind[1].decode("ascii") if kind else "",
                dictionary=dictionary,
                byte_range=(start, length, gap_end, rest),
                covered=data[start : start + length] + data[gap_end : gap_end + rest],
                cms=contents[: _end(contents, 0)],
            )
        )
    return sorted(found, key=lambda signature: signature.end)


def children(encoding: bytes) -> list[bytes]:
    """The encodings inside a constructed DER encoding."""
    position = _content_start(encoding, 0)
    found = []
    while position < len(encoding):
        end = _end(encoding, position)
        found.append(encoding[position:end])
        position = end
    return found


def content(encoding: bytes) -> bytes:
    """The content octets of a DER encoding."""
    return encoding[_content_start(encoding, 0) :]


def signer_infos(cms: bytes) -> list[bytes]:
    """The SignerInfo encodings of a ContentInfo with SignedData (RFC 5652, clause 5.1)."""
    signed_data = children(children(cms)[1])[0]
    return children(children(signed_data)[-1])


def signature_value(cms: bytes) -> bytes:
    """SignerInfo.signature of the first signer."""
    octet_strings = [part for part in children(signer_infos(cms)[0]) if part[0] == 0x04]
    return content(octet_strings[0])


def signed_attribute_types(cms: bytes) -> list[bytes]:
    """The types of the first signer's signed attributes, each as DER of an OBJECT IDENTIFIER."""
    signed = next(part for part in children(signer_infos(cms)[0]) if part[0] == 0xA0)
    return [children(attribute)[0] for attribute in children(signed)]


def signature_timestamps(cms: bytes) -> list[bytes]:
    """The tokens in the first signer's unsigned attributes signature-time-stamp."""
    return [
        token
        for unsigned in children(signer_infos(cms)[0])
        if unsigned[0] == 0xA1
        for attribute in children(unsigned)
        if children(attribute)[0] == _SIGNATURE_TIMESTAMP
        for token in children(children(attribute)[1])
    ]


def _length(data: bytes, position: int) -> tuple[int, int]:
    """Offset of the content octets and their number."""
    first = data[position + 1]
    if first < 0x80:
        return position + 2, first
    count = first & 0x7F
    return position + 2 + count, int.from_bytes(data[position + 2 : position + 2 + count], "big")


def _content_start(data: bytes, position: int) -> int:
    return _length(data, position)[0]


def _end(data: bytes, position: int) -> int:
    start, length = _length(data, position)
    return start + length
