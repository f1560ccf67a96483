"""Fixtures of the XAdES conformance tests: programs that judge XML signatures."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.conformance.programs import Complaints, run
from tests.oracles.oracle import Oracle
from tests.oracles.reports import Validation
from tests.support.line import Line

XmlJudge = Callable[..., Validation]
"""EU DSS's report on XML: `xml_judge(data, files, *extra_anchors)`."""
XmlSec = Callable[..., Complaints]
"""What xmlsec1 says of the core of a signature: `xmlsec(data, files)`."""

Santuario = Callable[..., Complaints]
"""What Apache Santuario says of the core of all signatures: `santuario(data, files)`."""

_IDENTIFIED = (
    "http://uri.etsi.org/01903/v1.3.2#:SignedProperties",
    "http://www.w3.org/2000/09/xmldsig#:Object",
    "http://www.w3.org/2000/09/xmldsig#:Manifest",
    "urn:fts-gateway:signed-documents:1:Document",
)


@pytest.fixture(scope="session")
def xml_judge(oracle: Oracle, full_line: Line, tmp_path_factory: pytest.TempPathFactory) -> XmlJudge:
    """EU DSS under the root of `full_line`."""
    folder = tmp_path_factory.mktemp("judged-xml")
    root = full_line.root_pem

    def judged(data: bytes, files: Mapping[str, bytes] | None = None, *extra_anchors: Path) -> Validation:
        path = _written(folder, "signature.xml", data)
        detached = [_written(folder, name, each) for name, each in (files or {}).items()]
        return oracle.validate(path, [root, *extra_anchors], detached=detached)

    return judged


@pytest.fixture(scope="session")
def xmlsec(full_line: Line, tmp_path_factory: pytest.TempPathFactory) -> XmlSec:
    """`xmlsec1 --verify`, which reads the first signature of a document."""
    folder = tmp_path_factory.mktemp("xmlsec")
    root = full_line.root_pem

    def judged(data: bytes, files: Mapping[str, bytes] | None = None) -> Complaints:
        path = _written(folder, "signature.xml", data)
        for name, each in (files or {}).items():
            _written(folder, name, each)
        identified = [part for name in _IDENTIFIED for part in ("--id-attr:Id", name)]
        uris = ("--enabled-reference-uris", "empty,same-doc,remote" if files else "empty,same-doc")
        result = run("env", "-C", folder, "xmlsec1", "--verify", *identified, *uris, "--trusted-pem", root, path)
        if result.returncode == 0 and result.stderr.startswith("OK"):
            return []
        return [f"xmlsec1: {result.stderr.strip()[-500:]}"]

    return judged


@pytest.fixture(scope="session")
def santuario(oracle: Oracle, tmp_path_factory: pytest.TempPathFactory) -> Santuario:
    """Apache Santuario by itself, without EU DSS around it."""
    folder = tmp_path_factory.mktemp("santuario")

    def judged(data: bytes, files: Mapping[str, bytes] | None = None) -> Complaints:
        path = _written(folder, "signature.xml", data)
        for name, each in (files or {}).items():
            _written(folder, name, each)
        signatures, problems = oracle.verify_core(path)
        return [f"Santuario: {problem}" for problem in problems] if signatures else ["Santuario: no signature"]

    return judged


def _written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
