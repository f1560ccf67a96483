"""Fixtures of the container conformance tests: EU DSS as judge of containers, and as their producer."""

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from signing.asic.ports import Container
from signing.ports import Level
from tests.conformance.xades.conftest import xmlsec  # noqa: F401  a fixture
from tests.oracles.oracle import Oracle, Pkcs8Key
from tests.oracles.reports import Validation
from tests.support.line import Line

ContainerJudge = Callable[..., Validation]
"""EU DSS's report on a container: `container_judge(data, *extra_anchors)`."""

DSS_CONTAINERS: Mapping[Container, Literal["ASiC_E", "ASiC_S"]] = {
    Container.ASIC_E: "ASiC_E",
    Container.ASIC_S: "ASiC_S",
}


@pytest.fixture(scope="session")
def container_judge(oracle: Oracle, full_line: Line, tmp_path_factory: pytest.TempPathFactory) -> ContainerJudge:
    """EU DSS under the root of `full_line`."""
    folder = tmp_path_factory.mktemp("judged-containers")
    root = full_line.root_pem

    def judged(data: bytes, *extra_anchors: Path) -> Validation:
        path = folder / "container.asice"
        path.write_bytes(data)
        return oracle.validate(path, [root, *extra_anchors])

    return judged


class DssContainers:
    """EU DSS with the key of one of the line's signers."""

    def __init__(self, oracle: Oracle, line: Line, folder: Path) -> None:
        self._oracle, self._line, self._folder = oracle, line, folder
        signer = line.pki.signers["p256"]
        path = folder / "key.pem"
        path.write_bytes(signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        chain = [line.pem(f"dss-asic-{n}", each) for n, each in enumerate((signer.certificate, *signer.chain))]
        self._key = Pkcs8Key(path, chain)
        self._numbers = itertools.count()

    def sign(self, files: Mapping[str, bytes], container: Container, level: Level) -> bytes:
        """A container with these files, or, where one of them is a container, that with another signature."""
        return self._run(files, self._key, container, level)

    def extend(self, data: bytes, container: Container) -> bytes:
        """The container with all signatures at LTA, or renewed."""
        return self._run({f"container{container.suffix}": data}, None, container, Level.LTA)

    def _run(self, files: Mapping[str, bytes], key: Pkcs8Key | None, container: Container, level: Level) -> bytes:
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        paths = [folder / name for name in files]
        for path, data in zip(paths, files.values(), strict=True):
            path.write_bytes(data)
        output = folder / "output"
        self._oracle.sign_container(
            paths,
            output,
            key,
            tsa_url=f"{self._line.pki.base_url}/tsa",
            level=level.value,
            anchors=[self._line.root_pem],
            container=DSS_CONTAINERS[container],
        )
        return output.read_bytes()


@pytest.fixture
def dss(oracle: Oracle, full_line: Line, tmp_path: Path) -> DssContainers:
    return DssContainers(oracle, full_line, tmp_path)
