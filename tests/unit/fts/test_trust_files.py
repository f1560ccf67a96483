"""Trust anchors from files."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.demo_pki.pki import DemoPki, choose_base_url
from fts.errors import RefusalError
from fts.trust_files import load_trust_files


def test_pem_and_der_and_several_in_one_file(tmp_path: Path) -> None:
    pki = DemoPki.create(tmp_path / "pki", base_url=choose_base_url())
    root, other = pki.root.certificate, pki.citizen_ca.certificate
    (tmp_path / "both.pem").write_bytes(
        b"a comment\n" + root.public_bytes(Encoding.PEM) + other.public_bytes(Encoding.PEM)
    )
    (tmp_path / "root.der").write_bytes(root.public_bytes(Encoding.DER))
    assert load_trust_files([tmp_path / "root.der"]) == [root]
    assert load_trust_files([tmp_path / "root.der", tmp_path / "both.pem"]) == [root, other]


@pytest.mark.parametrize("content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n", b"0\x80"])
def test_what_is_no_certificate_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "trust"
    path.write_bytes(content)
    with pytest.raises(RefusalError, match="holds no certificate") as refusal:
        load_trust_files([path])
    assert refusal.value.code == "TRUST_FILE"


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusalError, match="No such file"):
        load_trust_files([tmp_path / "none.pem"])
