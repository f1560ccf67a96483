"""One demo PKI, created and served once for all tests, and copies of it for tests that change or date it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from deploy.demo_pki.pki import DemoPki, choose_base_url
from deploy.demo_pki.server import DemoPkiApp, DemoServer
from timestamping.clock import Clock


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory as `create` left it; tests only read it."""
    path = tmp_path_factory.mktemp("demo") / "pki"
    DemoPki.create(path, base_url=choose_base_url())
    return path


@pytest.fixture(scope="session")
def pki(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> DemoPki:
    """Return the PKI that is served; tests issue under names of their own and revoke only those."""
    return DemoPki.load(shutil.copytree(directory, tmp_path_factory.mktemp("served") / "pki"))


@pytest.fixture
def dated_copy(directory: Path, tmp_path: Path) -> Callable[[Clock], DemoPki]:
    """Return a PKI with the same keys and certificates, its own revocations and the given clock."""

    def copy(clock: Clock) -> DemoPki:
        return DemoPki.load(shutil.copytree(directory, tmp_path / "copy"), clock=clock)

    return copy


@pytest.fixture(scope="session")
def served_app(pki: DemoPki) -> Iterator[DemoPkiApp]:
    app = DemoPkiApp(pki)
    with DemoServer(app, port=urlsplit(pki.base_url).port or 0):
        yield app


@pytest.fixture
def app(served_app: DemoPkiApp) -> Iterator[DemoPkiApp]:
    yield served_app
    served_app.faults.clear()


@pytest.fixture
def http(pki: DemoPki, app: DemoPkiApp) -> Iterator[httpx.Client]:  # noqa: ARG001 - the server must run
    with httpx.Client(base_url=pki.base_url, trust_env=False, timeout=5) as client:
        yield client
