"""A line whose time moves, and renewals in 2031 and 2037 by an authority that changes with the years."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from deploy.demo_pki.pki import DemoPki, choose_base_url
from deploy.demo_pki.server import DemoPkiApp, DemoServer
from tests.attack.failing import Switch
from tests.support.line import Line, MovableClock, timestamping_app

IN_2042 = datetime(2042, 6, 1, tzinfo=UTC)


@pytest.fixture
def aging(tmp_path: Path) -> Iterator[tuple[Line, Switch]]:
    """A line whose time moves, and its timestamping authority, which changes with the years."""
    clock = MovableClock()
    pki = DemoPki.create(tmp_path / "pki", base_url=choose_base_url(), clock=clock)
    switch = Switch(timestamping_app(pki.tsu, clock))
    app = DemoPkiApp(pki, timestamping=switch)
    with DemoServer(app, port=int(pki.base_url.rpartition(":")[2])):
        yield Line(pki, app, tmp_path, clock), switch


def renewed_until_2037(
    line: Line, switch: Switch, sign: Callable[[], bytes], renew: Callable[[bytes], bytes]
) -> tuple[bytes, list[x509.Certificate]]:
    """Sign now, renew in 2031, 2037 and an hour later; return the result and the three units, the first two expired."""
    start = line.server_clock()
    first = line.pki.issue_tsu("of-2026", not_after=start + timedelta(days=6 * 365))
    switch.current = timestamping_app(first, line.server_clock)
    data = sign()
    units = [first.certificate]
    for year, until in ((2031, 2038), (2037, 2044)):
        moment = datetime(year, 3, 1, tzinfo=UTC)
        line.server_clock.offset_seconds = (moment - start).total_seconds()
        unit = line.pki.issue_tsu(f"of-{year}", not_after=datetime(until, 1, 1, tzinfo=UTC))
        units.append(unit.certificate)
        switch.current = timestamping_app(unit, line.server_clock)
        data = renew(data)
    line.server_clock.offset_seconds += 3600
    return renew(data), units
