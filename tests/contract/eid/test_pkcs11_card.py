"""The card over SoftHSM: what it lists, that its signatures verify elsewhere, when it asks for the PIN."""

import asyncio
import hashlib
import logging
import shutil
import subprocess
import threading
import traceback
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from deploy.demo_token import DemoToken, load_demo_token
from signing.eid.pkcs11 import Pkcs11Card
from signing.eid.pkcs11_runtime import in_pkcs11_thread
from signing.eid.ports import (
    CardCertificate,
    CardFailureError,
    CertificateNotFoundError,
    DigestName,
    KeyAlgorithm,
    KeyNotFoundError,
    MechanismUnsupportedError,
    PinCancelledError,
    PinIncorrectError,
    SignatureMechanism,
)

HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
DIGESTS: list[DigestName] = ["sha256", "sha384", "sha512"]
KINDS = [
    ("rsa", SignatureMechanism.RSA_PKCS1_V15),
    ("rsa", SignatureMechanism.RSA_PSS),
    ("p256", SignatureMechanism.ECDSA),
    ("p384", SignatureMechanism.ECDSA),
]
Finder = Callable[[str], CardCertificate]


def digest_of(algorithm: str, text: bytes = b"to be signed") -> bytes:
    return hashlib.new(algorithm, text).digest()


def verify(
    certificate: CardCertificate, value: bytes, digest: bytes, algorithm: str, mechanism: SignatureMechanism
) -> None:
    key = x509.load_der_x509_certificate(certificate.der).public_key()
    prehashed = Prehashed(HASHES[algorithm])
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(value, digest, ec.ECDSA(prehashed))
        return
    assert isinstance(key, rsa.RSAPublicKey)
    pss = padding.PSS(padding.MGF1(HASHES[algorithm]), salt_length=HASHES[algorithm].digest_size)
    scheme = pss if mechanism is SignatureMechanism.RSA_PSS else padding.PKCS1v15()
    key.verify(value, digest, scheme, prehashed)


def openssl_verifies(
    place: Path,
    certificate: CardCertificate,
    value: bytes,
    digest: bytes,
    algorithm: str,
    mechanism: SignatureMechanism,
) -> bool:
    key = x509.load_der_x509_certificate(certificate.der).public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for name, content in (("key.pem", pem), ("digest", digest), ("value", value)):
        (place / name).write_bytes(content)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-in", "digest"]
    command += ["-sigfile", "value", "-pkeyopt", f"digest:{algorithm}"]
    if mechanism is SignatureMechanism.RSA_PSS:
        command += ["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"]
        command += ["-pkeyopt", f"rsa_mgf1_md:{algorithm}"]
    outcome = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=30)
    return outcome.returncode == 0 and "Verified Successfully" in outcome.stdout


def told_by(error: BaseException) -> list[str]:
    """Return every text of `error` and what led to it, with the local variables of the frames in `signing`."""
    texts: list[str] = []
    link: BaseException | None = error
    frames = 0
    while link is not None:
        texts += [repr(link), str(link), *traceback.format_exception(link)]
        for frame, _ in traceback.walk_tb(link.__traceback__):
            if frame.f_globals.get("__name__", "").startswith("signing.eid."):
                frames += 1
                texts += [repr(value) for value in frame.f_locals.values() if isinstance(value, str | dict)]
        link = link.__context__
    assert frames > 2
    return texts


def test_certificates_come_with_key_and_verified_chain(card: Pkcs11Card, run: Any, pki: Any) -> None:
    found = {certificate.label: certificate for certificate in run(card.certificates())}
    assert {"rsa", "p256", "p384"} < found.keys()
    assert (found["rsa"].key_algorithm, found["rsa"].key_bits) == (KeyAlgorithm.RSA, 3072)
    assert (found["p384"].key_algorithm, found["p384"].key_bits) == (KeyAlgorithm.EC, 384)
    assert found["rsa"].token_label == "Contract card é"
    assert found["rsa"].chain == (pki.issuing.der, pki.root.der)
    assert found["p384"].chain == (pki.impostor.der,)  # of the same name as the issuing CA
    assert all(found[label].can_sign for label in ("rsa", "p256", "p384"))
    authorities = [c for c in found.values() if c.label.startswith("CN=")]
    assert len(authorities) == 2
    assert not any(authority.can_sign for authority in authorities)


@pytest.mark.parametrize("algorithm", DIGESTS)
@pytest.mark.parametrize(("label", "mechanism"), KINDS)
def test_signature_verifies_with_cryptography_and_openssl(
    card: Pkcs11Card,
    certificate: Finder,
    run: Any,
    prompt: Any,
    pin: str,
    tmp_path: Path,
    algorithm: DigestName,
    label: str,
    mechanism: SignatureMechanism,
) -> None:
    chosen, digest = certificate(label), digest_of(algorithm)
    value = run(card.sign_digest(chosen, digest, algorithm, mechanism, prompt(pin)))
    verify(chosen, value, digest, algorithm, mechanism)
    assert openssl_verifies(tmp_path, chosen, value, digest, algorithm, mechanism)
    other = digest_of(algorithm, b"something else")
    assert not openssl_verifies(tmp_path, chosen, value, other, algorithm, mechanism)


def test_fts_sig_3_pin_is_asked_once_for_each_signature(
    card: Pkcs11Card, certificate: Finder, run: Any, prompt: Any, pin: str
) -> None:
    chosen, signer = certificate("p256"), prompt(pin)
    for number in range(1, 4):
        run(card.sign_digest(chosen, digest_of("sha256"), "sha256", SignatureMechanism.ECDSA, signer))
        assert len(signer.asked) == number
    assert "Contract card é" in signer.asked[0]
    assert "SPECIMEN p256" in signer.asked[0]


def test_fts_sig_3_login_ends_with_the_signature(
    card: Pkcs11Card, certificate: Finder, run: Any, prompt: Any, pin: str, token: DemoToken
) -> None:
    chosen = certificate("p256")
    run(card.sign_digest(chosen, digest_of("sha256"), "sha256", SignatureMechanism.ECDSA, prompt(pin)))

    def private_keys() -> int:
        library = pkcs11.lib(str(token.module.resolve()))
        with library.get_token(token_label=chosen.token_label).open() as session:
            template = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}
            return len(list(session.get_objects(template)))

    assert run(in_pkcs11_thread(private_keys)) == 0


def test_wrong_pin_then_right_pin(card: Pkcs11Card, certificate: Finder, run: Any, prompt: Any, pin: str) -> None:
    chosen, digest = certificate("rsa"), digest_of("sha256")
    signer = prompt("000000", "1", "caf\ud800", pin)
    for _ in range(3):
        with pytest.raises(PinIncorrectError) as refused:
            run(card.sign_digest(chosen, digest, "sha256", SignatureMechanism.RSA_PSS, signer))
        assert refused.value.code == "PIN_INCORRECT"
        assert refused.value.attempts_left == "few"  # SoftHSM sets CKF_USER_PIN_COUNT_LOW
        assert refused.value.remedy
    value = run(card.sign_digest(chosen, digest, "sha256", SignatureMechanism.RSA_PSS, signer))
    verify(chosen, value, digest, "sha256", SignatureMechanism.RSA_PSS)
    assert "a wrong PIN was given before" in signer.asked[-1]
    assert len(signer.asked) == 4


@pytest.mark.parametrize("wrong", ["467913", "467913\ud800"])
def test_no_pin_in_error_log_or_frames(
    card: Pkcs11Card,
    certificate: Finder,
    run: Any,
    caplog: pytest.LogCaptureFixture,
    wrong: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    chosen = certificate("p256")
    with pytest.raises(PinIncorrectError) as refused:
        run(card.sign_digest(chosen, digest_of("sha256"), "sha256", SignatureMechanism.ECDSA, lambda _: wrong))
    assert not [text for text in [caplog.text, repr(card), *told_by(refused.value)] if "467913" in text]


@pytest.mark.parametrize("answer", [None, ""])
def test_cancelled_prompt(card: Pkcs11Card, certificate: Finder, run: Any, prompt: Any, answer: str | None) -> None:
    with pytest.raises(PinCancelledError):
        run(
            card.sign_digest(
                certificate("p256"),
                digest_of("sha256"),
                "sha256",
                SignatureMechanism.ECDSA,
                prompt(answer),
            )
        )


@pytest.mark.parametrize(
    ("digest", "algorithm"),
    [(digest_of("sha256"), "sha384"), (digest_of("sha512"), "sha256"), (b"", "sha256"), (b"x" * 20, "sha1")],
)
def test_digest_of_wrong_length_is_refused_before_the_pin(
    card: Pkcs11Card, certificate: Finder, run: Any, prompt: Any, pin: str, digest: bytes, algorithm: Any
) -> None:
    signer = prompt(pin)
    with pytest.raises(ValueError, match="digest"):
        run(card.sign_digest(certificate("p256"), digest, algorithm, SignatureMechanism.ECDSA, signer))
    assert signer.asked == []


def test_mechanism_of_another_key_type_is_refused_before_the_pin(
    card: Pkcs11Card, certificate: Finder, run: Any, prompt: Any, pin: str
) -> None:
    signer = prompt(pin)
    for label, mechanism in (("p256", SignatureMechanism.RSA_PSS), ("rsa", SignatureMechanism.ECDSA)):
        with pytest.raises(MechanismUnsupportedError):
            run(card.sign_digest(certificate(label), digest_of("sha256"), "sha256", mechanism, signer))
    assert signer.asked == []


def test_certificate_of_another_card_is_refused_before_the_pin(
    card: Pkcs11Card, certificate: Finder, run: Any, prompt: Any, pin: str, pki: Any
) -> None:
    chosen, signer = certificate("p256"), prompt(pin)
    stranger = CardCertificate(**{**vars(chosen), "der": pki.root.der})
    with pytest.raises(CertificateNotFoundError):
        run(card.sign_digest(stranger, digest_of("sha256"), "sha256", SignatureMechanism.ECDSA, signer))
    assert signer.asked == []


def test_certificate_without_key(
    card_of: Any, run: Any, prompt: Any, pin: str, pki: Any, home: Path, store: Any, tmp_path: Path
) -> None:
    place = load_demo_token(Path(shutil.copytree(home, tmp_path / "copy")))
    key = ec.generate_private_key(ec.SECP256R1())
    store(place, pki.entry("keyless", key)[2], label="keyless")
    card: Pkcs11Card = card_of(place)
    signer = prompt(pin)
    found = {certificate.label: certificate for certificate in run(card.certificates())}

    async def sign(label: str) -> bytes:
        return await card.sign_digest(found[label], digest_of("sha256"), "sha256", SignatureMechanism.ECDSA, signer)

    assert found["keyless"].can_sign  # a key may hide until the login; the login shows that there is none
    with pytest.raises(KeyNotFoundError):
        run(sign("keyless"))
    assert len(signer.asked) == 1
    with pytest.raises(KeyNotFoundError):
        run(sign("CN=TEST root"))
    assert len(signer.asked) == 1  # for a CA's certificate nobody is asked
    run(sign("p256"))


def test_key_that_always_authenticates(
    card_of: Any,
    run: Any,
    prompt: Any,
    pin: str,
    pki: Any,
    home: Path,
    store: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = load_demo_token(Path(shutil.copytree(home, tmp_path / "copy")))
    key = ec.generate_private_key(ec.SECP384R1())
    store(place, pki.entry("careful", key)[2], key, label="careful", always_authenticate=True)
    card: Pkcs11Card = card_of(place)
    signer = prompt("000000", pin)
    chosen = next(c for c in run(card.certificates()) if c.label == "careful")
    digest = digest_of("sha384")

    async def sign() -> bytes:
        return await card.sign_digest(chosen, digest, "sha384", SignatureMechanism.ECDSA, signer)

    with pytest.raises(PinIncorrectError):
        run(sign())
    for _ in range(2):
        verify(chosen, run(sign()), digest, "sha384", SignatureMechanism.ECDSA)
    assert len(signer.asked) == 3
    monkeypatch.setattr("signing.eid.pkcs11.data_to_sign", lambda *_: bytes(5000))
    with pytest.raises(CardFailureError) as failed:
        run(sign())
    assert not [text for text in told_by(failed.value) if pin in text]


def test_eight_tasks_on_two_cards_sign_in_one_thread(
    card: Pkcs11Card, card_of: Any, certificate: Finder, run: Any, pin: str, token: DemoToken
) -> None:
    cards = [card, card_of(token, token_label="Contract card é")]
    chosen = {label: certificate(label) for label in ("rsa", "p256", "p384")}
    threads: list[int] = []

    def signer(_: str) -> str:
        threads.append(threading.get_ident())
        return pin

    async def sign(number: int) -> None:
        label, mechanism = KINDS[number % len(KINDS)]
        for turn in range(5):
            digest = digest_of("sha256", f"{number} {turn}".encode())
            value = await cards[number % 2].sign_digest(chosen[label], digest, "sha256", mechanism, signer)
            verify(chosen[label], value, digest, "sha256", mechanism)

    async def all_tasks() -> None:
        await asyncio.gather(*(sign(number) for number in range(8)))

    run(all_tasks())
    assert len(threads) == 40
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


def test_signatures_differ_where_the_scheme_is_randomised(
    card: Pkcs11Card, certificate: Finder, run: Any, prompt: Any, pin: str
) -> None:
    chosen, digest = certificate("rsa"), digest_of("sha256")
    values = [
        run(card.sign_digest(chosen, digest, "sha256", SignatureMechanism.RSA_PSS, prompt(pin))) for _ in range(3)
    ]
    assert all(one != next_one for one, next_one in pairwise(values))


def test_card_works_again_after_close(card: Pkcs11Card, certificate: Finder, run: Any, prompt: Any, pin: str) -> None:
    chosen = certificate("p256")
    run(card.close())
    run(card.close())
    run(card.sign_digest(chosen, digest_of("sha256"), "sha256", SignatureMechanism.ECDSA, prompt(pin)))
