"""Fixtures of the conformance tests: a line whose PKI has a signer for every key, and other programs that judge."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.aging import aging  # noqa: F401  a fixture
from tests.conformance.programs import OpenSsl, Qpdf
from tests.oracles.oracle import Oracle
from tests.oracles.reports import Validation
from tests.support.line import Line, Lines

Judge = Callable[..., Validation]
"""EU DSS's report on a document's octets: `judge(data, *extra_anchors)`."""


@pytest.fixture(scope="session")
def full_line(lines: Lines) -> Line:
    """A line of the conformance tests alone, with a signer `p256` besides the PKI's own `p384` and `rsa3072`."""
    line = lines.start()
    line.pki.issue_signer("p256", "p256")
    return line


@pytest.fixture(scope="session")
def judge(oracle: Oracle, full_line: Line, tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """EU DSS under the root of `full_line`; further anchors are given as PEM or DER files."""
    path = tmp_path_factory.mktemp("judged") / "document.pdf"
    root = full_line.root_pem

    def judged(data: bytes, *extra_anchors: Path) -> Validation:
        path.write_bytes(data)
        return oracle.validate(path, [root, *extra_anchors])

    return judged


@pytest.fixture(scope="session")
def qpdf(tmp_path_factory: pytest.TempPathFactory) -> Qpdf:
    """`qpdf --check`."""
    return Qpdf(tmp_path_factory.mktemp("qpdf"))


@pytest.fixture(scope="session")
def openssl(full_line: Line, tmp_path_factory: pytest.TempPathFactory) -> OpenSsl:
    """`openssl cms` and `openssl ts` under the root of `full_line`."""
    return OpenSsl(full_line.root_pem, tmp_path_factory.mktemp("openssl"))
