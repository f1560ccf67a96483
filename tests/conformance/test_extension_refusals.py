"""What keeps an archive timestamp from being made, and what does not (R10; FTS-SIG-5, FTS-SIG-8)."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType

import httpx
import pytest

from deploy.demo_pki.certificates import crl_path
from deploy.demo_pki.server import Fault, FaultKind
from signing.pades.archive import append_archive_timestamp
from signing.ports import (
    CertificateRevokedError,
    Level,
    Profile,
    RevocationError,
    RevocationInvalidError,
    RevocationUnavailableError,
    RevocationUnknownError,
)
from signing.trust.validation_data import ValidationData
from tests.conformance.driving import Counted, InProcess, extended
from tests.oracles.oracle import Oracle
from tests.samples.sound_structure import one_page
from tests.support.asic import extend_container, sign_again, sign_container, verify_container
from tests.support.line import Line, Lines
from tests.support.xades import INVOICE, extend_xml, sign_xml, verify_xml
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import utc_now

T = Profile(Level.T)
CITIZEN = ("/ocsp", crl_path("citizen"))
TIMESTAMPING = crl_path("timestamping")
FILES = {"a.txt": b"a"}

SIGN: MappingProxyType[str, Callable[[Line, Profile], bytes]] = MappingProxyType(
    {
        "pdf": lambda line, profile: line.sign(one_page(), "p384", profile).data,
        "xml": lambda line, profile: sign_xml(line, {"invoice.xml": INVOICE}, profile=profile).data,
        "asice": lambda line, profile: sign_container(line, FILES, profile=profile).data,
    }
)
EXTEND: MappingProxyType[str, Callable[[Line, bytes], bytes]] = MappingProxyType(
    {
        "pdf": lambda line, data: extended(line, data)[0],
        "xml": lambda line, data: extend_xml(line, data)[0],
        "asice": lambda line, data: extend_container(line, data)[0],
    }
)
LEVEL: MappingProxyType[str, Callable[[Line, bytes], Level | None]] = MappingProxyType(
    {
        "pdf": lambda line, data: line.verify(data).level,
        "xml": lambda line, data: verify_xml(line, data).level,
        "asice": lambda line, data: verify_container(line, data).level,
    }
)
ERRORS: MappingProxyType[FaultKind, type[RevocationError]] = MappingProxyType(
    {
        "down": RevocationUnavailableError,
        "unknown": RevocationUnknownError,
        "wrong_responder": RevocationInvalidError,
        "garbage": RevocationInvalidError,
    }
)


@pytest.fixture(scope="module")
def shared_own_line(lines: Lines) -> Line:
    """A line whose services tests break."""
    return lines.start()


@pytest.fixture
def own_line(shared_own_line: Line) -> Iterator[Line]:
    """The line, its faults gone after each test."""
    yield shared_own_line
    shared_own_line.app.faults.clear()


def break_services(line: Line, *paths: str, kind: FaultKind = "down") -> None:
    """Let services fail until the test is over."""
    line.app.faults.update(dict.fromkeys(paths, Fault(kind)))


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("form", SIGN)
def test_a_service_that_gives_no_good_answer(
    own_line: Line, oracle: Oracle, tmp_path: Path, form: str, kind: FaultKind
) -> None:
    """The error names the service, in every format; once it answers, the same document is brought to LTA."""
    signed = SIGN[form](own_line, T)
    break_services(own_line, *CITIZEN, kind=kind)
    with pytest.raises(ERRORS[kind]) as caught:
        EXTEND[form](own_line, signed)
    assert caught.value.party == f"{own_line.pki.base_url}/ocsp"
    own_line.app.faults.clear()
    path = tmp_path / f"longer.{form}"
    path.write_bytes(EXTEND[form](own_line, signed))
    judged = oracle.validate(path, [own_line.root_pem])
    assert judged.verdict("LTA", timestamps=2, form="PAdES" if form == "pdf" else "XAdES") == []


@pytest.mark.parametrize("form", SIGN)
def test_the_timestamp_s_authority_counts_too(own_line: Line, form: str) -> None:
    signed = SIGN[form](own_line, T)
    break_services(own_line, TIMESTAMPING)
    with pytest.raises(RevocationUnavailableError) as caught:
        EXTEND[form](own_line, signed)
    assert caught.value.party == own_line.pki.base_url + TIMESTAMPING


@pytest.mark.parametrize("form", SIGN)
def test_a_signer_revoked_since(lines: Lines, form: str) -> None:
    """What has no validation data of its own before the revocation gets none after it."""
    line = lines.start()
    signed = SIGN[form](line, T)
    signer = line.pki.signers["p384"].certificate
    line.pki.revoke(signer)
    with pytest.raises(CertificateRevokedError) as caught:
        EXTEND[form](line, signed)
    assert caught.value.party == signer.subject.rfc4514_string()


@pytest.mark.parametrize("form", SIGN)
def test_what_is_in_the_document_need_not_be_had_again(own_line: Line, form: str) -> None:
    """The signer's authority may be gone in twenty years; a renewal does not need it."""
    archived = SIGN[form](own_line, Profile(Level.LTA))
    break_services(own_line, *CITIZEN)
    assert LEVEL[form](own_line, EXTEND[form](own_line, archived)) is Level.LTA


def test_nothing_is_asked_for_and_nothing_written(own_line: Line) -> None:
    signed = SIGN["pdf"](own_line, T)
    break_services(own_line, *CITIZEN)
    counted, output = Counted(), io.BytesIO()
    with pytest.raises(RevocationUnavailableError):
        extended(own_line, signed, counted=counted, output=output)
    assert (counted.requests, output.getvalue()) == (0, b"")


@pytest.mark.parametrize("form", ["pdf", "asice"])
def test_one_of_two_is_enough(lines: Lines, form: str) -> None:
    line = lines.start()
    first = line.pki.issue_signer("ocsp-only", "p256", crl=False)
    if form == "pdf":
        signed = line.sign(line.sign(one_page(), first, T).data, "p384", T).data
    else:
        signed = sign_again(line, sign_container(line, FILES, signer=first, profile=T).data, profile=T).data
    break_services(line, "/ocsp")
    with pytest.raises(RevocationUnavailableError):
        EXTEND[form](line, signed)


def test_a_document_timestamp_whose_authority_is_not_shown_good(own_line: Line) -> None:
    """The only data that a renewal adds is about the last timestamp: without it there is none."""
    stamped = with_open_timestamp(own_line, own_line.sign(one_page(), "p384", Profile(Level.B)).data)
    (stamp,) = own_line.verify(stamped).archive_timestamps
    assert (stamp.valid, [note.code for note in stamp.notes]) == (True, ["TIMESTAMP_REVOCATION"])
    break_services(own_line, TIMESTAMPING)
    counted = Counted()
    with pytest.raises(RevocationUnavailableError) as caught:
        extended(own_line, stamped, counted=counted)
    assert (caught.value.party, counted.requests) == (own_line.pki.base_url + TIMESTAMPING, 0)


def test_a_foreign_and_a_broken_signature_are_no_obstacle(own_line: Line, lines: Lines) -> None:
    foreign = lines.start().sign(one_page(), "p384", T).data
    both = own_line.sign(foreign, "p384", T).data
    longer, result = extended(own_line, both)
    assert [each.level for each in own_line.verify(longer).signatures] == [None, Level.LTA]
    assert len(result.incomplete) == 1
    break_services(own_line, *CITIZEN)
    with pytest.raises(RevocationUnavailableError):
        extended(own_line, both)
    broken = both.replace(b"%PDF-1.7", b"%PDF-1.6", 1)
    assert broken != both
    assert len(extended(own_line, broken)[1].incomplete) == 2


def with_open_timestamp(line: Line, document: bytes) -> bytes:
    """The document with a document timestamp and no revocation data about its authority."""
    data = ValidationData()
    data.add_certificates((line.pki.tsu.certificate, *line.pki.tsu.chain))
    output = io.BytesIO(document)
    running = DigestAlgorithm.SHA256.new()
    running.update(document)

    async def work(client: httpx.AsyncClient) -> None:
        await append_archive_timestamp(
            output,
            data,
            DigestAlgorithm.SHA256,
            running,
            engine=line.engine(client),
            timestamps=InProcess((line.pki.tsu, 0)),
            clock=utc_now,
        )

    line.run(work)
    return output.getvalue()
