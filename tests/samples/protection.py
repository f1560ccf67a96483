"""PDFs protected with the standard security handler (ISO 32000-1, 7.6.3; ISO 32000-2, 7.6.4).

Salts, keys and initialisation vectors come from a fixed seed, so that the bytes are the same at each run: that is
for test files only.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from tests.samples.writer import Objects, lay_out, subsections, table, tail, text_pages

Scheme = Literal["rc4_128", "aes_128", "aes_256"]

PRINT, MODIFY, COPY, ANNOTATE, FILL_IN, ACCESSIBILITY, PRINT_WELL = 4, 8, 16, 32, 256, 512, 2048
"""User access permissions (table 22)."""

FILL_IN_AND_SIGN = PRINT | ANNOTATE | FILL_IN | ACCESSIBILITY | PRINT_WELL
READ_AND_PRINT = PRINT | ACCESSIBILITY | PRINT_WELL

_RESERVED = 0xFFFFF0C0
_PAD = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")
_ID = bytes(range(16))
_STREAM = re.compile(rb"/Length \d+ >>\nstream\n(.*)\nendstream$", re.DOTALL)


@dataclass(frozen=True)
class _Handler:
    dictionary: bytes
    encrypt: Callable[[int, bytes], bytes]
    """Object number and plain bytes to cipher bytes."""


def protected(
    scheme: Scheme, *, user: bytes = b"", owner: bytes = b"owner", rights: int, objects: Objects | None = None
) -> bytes:
    """Two pages and a title under `user` and `owner` passwords with the permission bits `rights`.

    `objects` replace the two pages; their streams are encrypted, so they must hold no strings.
    """
    permissions = (_RESERVED | rights) - (1 << 32)
    build = _aes_256 if scheme == "aes_256" else _md5_based
    handler = build(scheme, user, owner, permissions)
    sealed = {number: _sealed(handler, number, value) for number, value in (objects or text_pages(2)).items()}
    info, encrypt = max(sealed) + 1, max(sealed) + 2
    sealed[info] = b"<< /Title <%s> >>" % handler.encrypt(info, b"Protected").hex().encode()
    sealed[encrypt] = handler.dictionary
    body = lay_out(sealed, version="2.0" if scheme == "aes_256" else "1.6")
    trailer = (
        f"/Size {encrypt + 1} /Root 1 0 R /Info {info} 0 R /Encrypt {encrypt} 0 R /ID [<{_ID.hex()}> <{_ID.hex()}>]"
    )
    return body.data + table(subsections(body.offsets)) + tail(len(body.data), trailer)


def encrypted_rc4_128() -> bytes:
    """RC4 with 128 bits, empty user password, filling in and signing allowed."""
    return protected("rc4_128", rights=FILL_IN_AND_SIGN)


def encrypted_aes_128() -> bytes:
    """AES-128 (crypt filter AESV2), empty user password, filling in and signing allowed."""
    return protected("aes_128", rights=FILL_IN_AND_SIGN)


def encrypted_empty_user_password() -> bytes:
    """AES-256 (revision 6), empty user password, filling in and signing allowed."""
    return protected("aes_256", rights=FILL_IN_AND_SIGN)


def _sealed(handler: _Handler, number: int, value: bytes) -> bytes:
    if not (found := _STREAM.search(value)):
        return value
    cipher = handler.encrypt(number, found[1])
    return value[: found.start()] + b"/Length %d >>\nstream\n%s\nendstream" % (len(cipher), cipher)


def _md5_based(scheme: Scheme, user: bytes, owner: bytes, permissions: int) -> _Handler:
    """Algorithms 1 to 5 of 7.6.3 for revisions 3 (RC4) and 4 (AESV2), keys of 16 bytes."""
    aes = scheme == "aes_128"
    owner_key = _md5_times(_padded(owner), 51)
    owner_entry = _rc4_twenty(owner_key, _padded(user))
    seed = _padded(user) + owner_entry + (permissions & 0xFFFFFFFF).to_bytes(4, "little") + _ID
    key = _md5_times(seed, 51)
    user_entry = _rc4_twenty(key, _md5_times(_PAD + _ID, 1)) + bytes(16)
    filters = b"/CF << /StdCF << /CFM /AESV2 /AuthEvent /DocOpen /Length 16 >> >> /StmF /StdCF /StrF /StdCF"
    version = b"/V 4 /R 4 " + filters if aes else b"/V 2 /R 3"

    def encrypt(number: int, data: bytes) -> bytes:
        salt = b"sAlT" if aes else b""
        object_key = _md5_times(key + number.to_bytes(3, "little") + bytes(2) + salt, 1)
        return _aes_cbc(object_key, data, number) if aes else _rc4(object_key, data)

    return _Handler(
        b"<< /Filter /Standard %s /Length 128 /O <%s> /U <%s> /P %d >>"
        % (version, owner_entry.hex().encode(), user_entry.hex().encode(), permissions),
        encrypt,
    )


def _aes_256(_: Scheme, user: bytes, owner: bytes, permissions: int) -> _Handler:
    """Algorithms 2.B, 8, 9 and 10 of ISO 32000-2 for revision 6."""
    key = _fixed("file key", 32)

    def entries(password: bytes, of: str, context: bytes) -> tuple[bytes, bytes]:
        validation, wrapping = _fixed(f"{of} validation", 8), _fixed(f"{of} key", 8)
        entry = _hash_2b(password, validation, context) + validation + wrapping
        return entry, _aes_raw(_hash_2b(password, wrapping, context), bytes(16), key)

    user_entry, user_key = entries(user, "user", b"")
    owner_entry, owner_key = entries(owner, "owner", user_entry)
    rights = (permissions & 0xFFFFFFFF).to_bytes(4, "little") + b"\xff\xff\xff\xffTadb" + _fixed("perms", 4)
    sealed_rights = _aes_raw(key, bytes(16), rights)
    dictionary = (
        f"<< /Filter /Standard /V 5 /R 6 /Length 256 /P {permissions} /O <{owner_entry.hex()}> "
        f"/U <{user_entry.hex()}> /OE <{owner_key.hex()}> /UE <{user_key.hex()}> /Perms <{sealed_rights.hex()}> "
        "/CF << /StdCF << /CFM /AESV3 /AuthEvent /DocOpen /Length 32 >> >> /StmF /StdCF /StrF /StdCF >>"
    )
    return _Handler(dictionary.encode(), lambda number, data: _aes_cbc(key, data, number))


def _hash_2b(password: bytes, salt: bytes, context: bytes) -> bytes:
    key = hashlib.sha256(password + salt + context).digest()
    count = 0
    while True:
        count += 1
        mixed = _aes_raw(key[:16], key[16:32], (password + key + context) * 64)
        name = ("sha256", "sha384", "sha512")[sum(mixed[:16]) % 3]
        key = hashlib.new(name, mixed).digest()
        if count >= 64 and mixed[-1] <= count - 32:
            return key[:32]


def _padded(password: bytes) -> bytes:
    return (password + _PAD)[:32]


def _md5_times(data: bytes, times: int) -> bytes:
    for _ in range(times):
        data = hashlib.md5(data, usedforsecurity=False).digest()
    return data


def _rc4(key: bytes, data: bytes) -> bytes:
    return Cipher(ARC4(key), mode=None).encryptor().update(data)


def _rc4_twenty(key: bytes, data: bytes) -> bytes:
    for i in range(20):
        data = _rc4(bytes(byte ^ i for byte in key), data)
    return data


def _aes_raw(key: bytes, iv: bytes, data: bytes) -> bytes:
    """CBC without padding; with one block and a zero vector it is ECB."""
    return Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor().update(data)


def _aes_cbc(key: bytes, data: bytes, number: int) -> bytes:
    iv, padder = _fixed(f"iv {number}", 16), PKCS7(128).padder()
    return iv + _aes_raw(key, iv, padder.update(data) + padder.finalize())


def _fixed(purpose: str, size: int) -> bytes:
    return hashlib.shake_128(b"sample " + purpose.encode()).digest(size)


PROTECTED: dict[str, Callable[[], bytes]] = {
    make.__name__: make for make in (encrypted_rc4_128, encrypted_aes_128, encrypted_empty_user_password)
}
