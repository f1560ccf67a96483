"""Containers of each kind, level and key, judged by EU DSS, xmlsec1 and OpenSSL, and unpacked by others (FTS-SIG-5)."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from signing.asic.ports import Container
from signing.asic.reading import opened
from signing.ports import Level, Profile
from tests.conformance.asic.conftest import DSS_CONTAINERS, ContainerJudge
from tests.conformance.programs import Complaints, OpenSsl, run
from tests.conformance.test_matrix import DSS_NAMES, KEYS, TIMESTAMPS, Key, own_anchors
from tests.conformance.xades.conftest import XmlSec
from tests.conformance.xades.test_xades_matrix import timestamps
from tests.support.asic import sign_again, sign_container, verify_container
from tests.support.line import Line
from timestamping.algorithms import DigestAlgorithm


@dataclass(frozen=True)
class Form:
    """A container and what is put into it."""

    name: str
    container: Container
    files: Mapping[str, bytes]


ONE = {"letter.pdf": b"%PDF-1.7 not read\n" * 100}
SEVERAL = {"a.xml": b"<a/>", "dossier/letter \u00e9 + 100%.bin": bytes(range(256)) * 50, "empty.txt": b""}
FORMS = (
    Form("asic-e-one", Container.ASIC_E, ONE),
    Form("asic-e-several", Container.ASIC_E, SEVERAL),
    Form("asic-s", Container.ASIC_S, {"letter \u00e9 + 100%.bin": bytes(range(256))}),
)
CELLS = [
    (form, key, level) for form in FORMS for key in KEYS for level in Level if key.name == "p256" or level is Level.LTA
]


@pytest.mark.parametrize(("form", "key", "level"), CELLS, ids=[f"{f.name}-{k.name}-{lv}" for f, k, lv in CELLS])
def test_every_judge_accepts(
    full_line: Line,
    container_judge: ContainerJudge,
    xmlsec: XmlSec,
    openssl: OpenSsl,
    form: Form,
    key: Key,
    level: Level,
) -> None:
    profile = Profile(level, rsa_pss=key.rsa_pss)
    signed = sign_container(full_line, form.files, form.container, key.signer, profile).data
    anchors = own_anchors(full_line, key.signer) if level in {Level.B, Level.T} else ()
    validation = container_judge(signed, *anchors)
    complaints = validation.verdict(level.value, timestamps=TIMESTAMPS[level], form="XAdES")
    complaints += [warning for signature in validation.signatures for warning in signature.warnings]
    complaints += stamps(signed, openssl, TIMESTAMPS[level])
    if not key.rsa_pss:  # xmlsec1 1.2 does not know RSASSA-PSS
        (signatures,) = opened(io.BytesIO(signed)).signatures.values()
        complaints += xmlsec(signatures.stream.read(), form.files)
    assert (complaints, validation.container) == ([], DSS_CONTAINERS[form.container])
    (signature,) = validation.signatures
    assert (signature.digest_algorithm, signature.encryption_algorithm) == ("SHA256", key.dss_name)
    assert {scope.name for scope in signature.scopes if scope.kind == "FULL"} >= set(form.files)
    report = verify_container(full_line, signed)
    assert (report.valid, report.level) == (True, level)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_the_layout(full_line: Line, form: Form, tmp_path: Path) -> None:
    """`mimetype` at its fixed place; then the files, and what is about them (EN 319 162-1, annex A.1 and clause 4)."""
    signed = sign_container(full_line, form.files, form.container, profile=Profile(Level.B)).data
    media = form.container.media_type.encode()
    assert (signed[26:38], signed[38 : 38 + len(media)]) == (b"\x08\x00\x00\x00mimetype", media)
    about = ["META-INF/signatures.xml"]
    if form.container is Container.ASIC_E:
        about = ["META-INF/manifest.xml", "META-INF/signatures001.xml"]
    path = tmp_path / "container"
    path.write_bytes(signed)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["mimetype", *form.files, *about]
        assert {name: archive.read(name) for name in form.files} == form.files
        assert all(not entry.flag_bits & 0x8 and not entry.extra for entry in archive.infolist())
    tested = run("jar", "--list", "--file", path)
    assert tested.stdout.splitlines() == ["mimetype", *form.files, *about], tested.stderr


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_second_signature_leaves_the_first_as_it_was(
    full_line: Line, container_judge: ContainerJudge, form: Form
) -> None:
    once = sign_container(full_line, form.files, form.container).data
    twice = sign_again(full_line, once).data
    thrice = sign_again(full_line, twice, "p384").data
    validation = container_judge(thrice)
    assert validation.verdict("LTA", signatures=3, timestamps=6, form="XAdES") == []
    report = verify_container(full_line, thrice)
    assert (report.valid, [each.level for each in report.signatures]) == (True, [Level.LTA] * 3)
    kept = opened(io.BytesIO(twice))
    now = opened(io.BytesIO(thrice))
    if form.container is Container.ASIC_E:
        for name, each in kept.signatures.items():
            assert now.signatures[name].stream.read() == each.stream.read()


@pytest.mark.parametrize("digest", [DigestAlgorithm.SHA384, DigestAlgorithm.SHA512], ids=str)
def test_stronger_digests(full_line: Line, container_judge: ContainerJudge, digest: DigestAlgorithm) -> None:
    profile = Profile(Level.LTA, digest=digest, archive_digest=digest)
    validation = container_judge(sign_container(full_line, SEVERAL, signer="p384", profile=profile).data)
    assert validation.verdict("LTA", timestamps=2, form="XAdES") == []
    assert {t.imprint_algorithm for t in validation.timestamps} == {DSS_NAMES[digest]}


def test_judges_notice_a_changed_file(full_line: Line, container_judge: ContainerJudge) -> None:
    files = {"letter.txt": b"pay 100", "order.txt": b"order"}
    signed = sign_container(full_line, files).data
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(signed)) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"pay 100", b"pay 900"))
    found = container_judge(changed.getvalue()).verdict("LTA", timestamps=2, form="XAdES")
    assert any("HASH_FAILURE" in each for each in found)
    report = verify_container(full_line, changed.getvalue())
    codes = {problem.code for signature in report.signatures for problem in signature.problems}
    assert codes == {"CONTENT_CHANGED", "ARCHIVE_TIMESTAMP"}


def stamps(data: bytes, openssl: OpenSsl, expected: int) -> Complaints:
    """`openssl ts -verify` on each token over the octets that it should be over."""
    held = opened(io.BytesIO(data))
    files = {each.name: each.stream.read() for each in held.files}
    complaints: Complaints = []
    for each in held.signatures.values():
        complaints += timestamps(each.stream.read(), files, openssl, expected)
    return complaints
