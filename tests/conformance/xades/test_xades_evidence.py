"""What a signature embeds is enough: OpenSSL judges from it alone, renewals carry it to 2042 (FTS-SIG-5, FTS-SIG-8)."""

import base64
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from lxml import etree

from signing.ports import Level, Profile
from signing.xades.ports import Packaging
from tests.attack.failing import Switch
from tests.conformance.aging import IN_2042, renewed_until_2037
from tests.conformance.evidence import Store, token_info
from tests.conformance.issuing import StoreFiles
from tests.conformance.programs import Complaints, run
from tests.conformance.xades.test_xades_matrix import DOCUMENTS
from tests.oracles.oracle import Oracle
from tests.support.line import Line, Lines
from tests.support.xades import INVOICE, extend_xml, sign_xml, verify_xml

KEYS = ("p384", "p256", "rsa3072")


def values(tree: etree._Element, *names: str) -> tuple[bytes, ...]:
    """The octets of all elements of some names."""
    found = [base64.b64decode(each.text) for name in names for each in tree.iter(f"{{*}}{name}")]
    return tuple(dict.fromkeys(found))


def embedded(data: bytes) -> Store:
    """Everything that the signatures of a document embed."""
    tree = etree.fromstring(data)
    return Store(
        certificates=values(tree, "X509Certificate", "EncapsulatedX509Certificate"),
        ocsps=values(tree, "EncapsulatedOCSPValue"),
        crls=values(tree, "EncapsulatedCRLValue"),
        keys=frozenset(),
        objects=frozenset(),
    )


def paths(store: Store, line: Line, at: datetime, *certificates: x509.Certificate, folder: Path) -> Complaints:
    """`openssl verify -crl_check_all` for each certificate, from a store and the root alone."""
    files = StoreFiles(store, folder)
    complaints = []
    for certificate in certificates:
        result = run(
            *("openssl", "verify", "-crl_check_all", "-attime", str(int(at.timestamp())), "-CAfile", line.root_pem),
            *("-untrusted", files.certificates, "-CRLfile", files.crls, files.certificate(certificate)),
        )
        complaints += [] if result.returncode == 0 else [result.stderr]
    return complaints


def answers(store: Store, line: Line, at: datetime, signer: x509.Certificate, folder: Path) -> Complaints:
    """`openssl ocsp -respin` for each embedded answer about a signer."""
    files = StoreFiles(store, folder)
    if len(files.ocsps) != 1:
        return [f"{len(files.ocsps)} answers instead of one"]
    result = run(
        *("openssl", "ocsp", "-respin", files.ocsps[0], "-attime", str(int(at.timestamp()))),
        *("-issuer", files.certificate(line.pki.citizen_ca.certificate), "-cert", files.certificate(signer)),
        *("-CAfile", line.root_pem, "-verify_other", files.certificates),
    )
    is_good = "Response verify OK" in result.stderr and ": good" in result.stdout
    return [] if is_good else [result.stdout + result.stderr]


def token_times(data: bytes) -> list[datetime]:
    """genTime of each timestamp, in order."""
    return [token_info(token)["gen_time"].native for token in values(etree.fromstring(data), "EncapsulatedTimeStamp")]


@pytest.mark.parametrize("signer", KEYS)
@pytest.mark.parametrize("packaging", Packaging, ids=str)
@pytest.mark.parametrize("level", [Level.LT, Level.LTA], ids=str)
def test_openssl_needs_nothing_but_the_root(
    full_line: Line, tmp_path: Path, packaging: Packaging, level: Level, signer: str
) -> None:
    pki = full_line.pki
    data = sign_xml(full_line, DOCUMENTS[packaging], packaging, signer, Profile(level)).data
    store = embedded(data)
    at = token_times(data)[0]
    complaints = paths(
        store,
        full_line,
        at,
        *(pki.tsu.certificate, pki.citizen_ca.certificate, pki.timestamping_ca.certificate),
        folder=tmp_path,
    )
    complaints += answers(store, full_line, at, pki.signers[signer].certificate, tmp_path)
    assert complaints == []


def test_openssl_judges_a_signer_by_embedded_lists(lines: Lines, tmp_path: Path) -> None:
    line = lines.start()
    signer = line.pki.issue_signer("crl-only", "p256", ocsp=False)
    signed = sign_xml(line, {"a.xml": INVOICE}, signer=signer, profile=Profile(Level.T)).data
    line.server_clock.offset_seconds = 3600  # lists are issued by the hour
    data, _ = extend_xml(line, signed, clock=line.server_clock)
    store, at = embedded(data), token_times(data)[-1]
    certificates = (signer.certificate, line.pki.tsu.certificate)
    assert (store.ocsps, paths(store, line, at, *certificates, folder=tmp_path)) == ((), [])
    for left_out in store.crls:
        kept = tuple(each for each in store.crls if each != left_out)
        less = Store(store.certificates, (), kept, frozenset(), frozenset())
        assert "unable to get certificate CRL" in "".join(paths(less, line, at, *certificates, folder=tmp_path))


def test_openssl_misses_an_authority_that_is_left_out(full_line: Line, tmp_path: Path) -> None:
    data = sign_xml(full_line, {"a.xml": INVOICE}, profile=Profile(Level.LT)).data
    store = embedded(data)
    authority = full_line.pki.timestamping_ca.certificate
    kept = tuple(der for der in store.certificates if x509.load_der_x509_certificate(der) != authority)
    less = Store(kept, store.ocsps, store.crls, frozenset(), frozenset())
    at = token_times(data)[0]
    assert paths(less, full_line, at, full_line.pki.tsu.certificate, folder=tmp_path) != []


def test_renewed_in_2031_and_2037_it_is_valid_in_2042(
    aging: tuple[Line, Switch], oracle: Oracle, tmp_path: Path
) -> None:
    """The certificates of the signer and the first two authorities have ended by then; the root is an anchor."""
    line, switch = aging
    start = line.server_clock()
    signer = line.pki.signers["p384"].certificate

    def renew(data: bytes) -> bytes:
        longer, extended = extend_xml(line, data, clock=line.server_clock)
        assert extended.incomplete == ()
        return longer

    data, authorities = renewed_until_2037(line, switch, lambda: sign_xml(line, {"invoice.xml": INVOICE}).data, renew)
    ended = [each.not_valid_after_utc < IN_2042 for each in (signer, *authorities)]
    assert ended == [True, True, True, False]
    assert [moment.year for moment in token_times(data)] == [start.year, start.year, 2031, 2037, 2037]
    report = verify_xml(line, data, clock=lambda: IN_2042)
    assert (report.valid, report.level) == (True, Level.LTA)
    assert report.signatures[0].proven_at == token_times(data)[0]
    assert paths(embedded(data), line, token_times(data)[0], authorities[0], folder=tmp_path) == []
    path = tmp_path / "signed.xml"
    path.write_bytes(data)
    assert oracle.validate(path, [line.root_pem], IN_2042).verdict("LTA", timestamps=5, form="XAdES") == []


def test_without_renewal_it_is_not_valid_in_2042(full_line: Line) -> None:
    data = sign_xml(full_line, {"invoice.xml": INVOICE}).data
    assert full_line.pki.tsu.certificate.not_valid_after_utc < IN_2042
    report = verify_xml(full_line, data, clock=lambda: IN_2042)
    assert (report.valid, report.level) == (False, None)
    assert [p.code for p in report.archive_timestamps[0].problems] == ["TIMESTAMP_UNTRUSTED"]
