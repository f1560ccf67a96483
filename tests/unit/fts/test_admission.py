"""Who may enter: FTS-ENV-4, FTS-SEC-1; cases A-1, A-2, A-3, A-8."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import select
from starlette.routing import Mount, Route

from fts.audit.models import event as event_table
from fts.audit.service import COLUMNS, JOINED, event_of
from fts.clients.management import Issued, offboard, rotate, suspend, withdraw
from fts.http.admission import PUBLIC, RULES, SIGNER, parsed
from tests.support.embedded import HERE, OPERATOR, Embedded, HandClock, code, embedded

PRODUCTION: dict[str, Any] = {
    "environment": "PROD",
    "key_store": "keys",
    "mail": {"host": "127.0.0.1", "port": 1, "sender": "fts@gateway.example", "operators": ["duty@gateway.example"]},
}
NETWORKS = ["203.0.113.0/24", "2001:db8:7::/48"]
Case = Callable[[Embedded], Awaitable[None]]


def run(tmp_path: Path, case: Case, **configuration: Any) -> None:
    if "key_store" in configuration:
        configuration = configuration | {"key_store": tmp_path / "keys"}

    async def work() -> None:
        async with embedded(tmp_path, HandClock(), **configuration) as gateway:
            await case(gateway)

    asyncio.run(work())


def routes(gateway: Embedded) -> list[tuple[str, str]]:
    """Return every method and path that the application serves, mounted applications too."""
    inner: Any = gateway.app
    found = []
    waiting = list(inner._app.routes)
    while waiting:
        route = waiting.pop()
        if hasattr(route, "original_router"):
            waiting += route.original_router.routes
        elif isinstance(route, Mount):
            found.append(("GET", f"{route.path}/x"))
        elif isinstance(route, APIRoute | Route):
            path = route.path.replace("{signing_id}", "0" * 32).replace("{document_id}", "doc").replace("{number}", "1")
            path = path.replace("{timestamp_id}", "0" * 32)
            found += [(method, path) for method in sorted(route.methods or ())]
        else:
            raise AssertionError(f"{route} is of a kind that this test does not know")
    return found


def is_public(method: str, path: str) -> bool:
    return any(method in (verb, "HEAD") and pattern.fullmatch(path) for verb, pattern in PUBLIC)


def test_every_route_is_listed(tmp_path: Path) -> None:
    """Case A-1: a route that nobody put into a list does not pass."""

    async def case(gateway: Embedded) -> None:
        served = routes(gateway)
        assert len(served) > 20
        for method, path in served:
            ruled = any(rule.method == method and rule.path.fullmatch(path) for rule in RULES)
            assert is_public(method, path) + bool(SIGNER.fullmatch(path)) + ruled == 1, f"{method} {path}"
        for rule in RULES:
            assert any(rule.method == method and rule.path.fullmatch(path) for method, path in served), rule

    run(tmp_path, case)


def test_every_route_with_every_kind_of_credential(tmp_path: Path) -> None:
    """Case A-1: only a live secret of a client that may act gets past the door."""

    async def case(gateway: Embedded) -> None:
        town, other = await gateway.register("town"), await gateway.register("other")
        withdrawn = await rotate(gateway.services, "town", OPERATOR, None)
        await withdraw(gateway.services, "town", withdrawn.credential_id, OPERATOR)
        idle, gone = await gateway.register("idle"), await gateway.register("gone")
        await suspend(gateway.services, "idle", OPERATOR)
        await offboard(gateway.services, "gone", OPERATOR)
        callers = {
            "none": gateway.http(),
            "withdrawn": gateway.http(withdrawn),
            "suspended": gateway.http(idle),
            "offboarded": gateway.http(gone),
            "wrong secret": gateway.http(Issued("town", "", (), town.secret[:-1] + "?", "")),
            "empty secret": gateway.http(Issued("town", "", (), "", "")),
            "another's secret": gateway.http(Issued("town", "", (), other.secret, "")),
            "unknown client": gateway.http(Issued("nobody", "", (), town.secret, "")),
            "malformed client": gateway.http(Issued("to\0wn'--", "", (), town.secret, "")),
            "bearer": gateway.http(headers={"authorization": f"Bearer {town.secret}"}),
            "no base64": gateway.http(headers={"authorization": "Basic %%%"}),
            "two headers": gateway.http(headers=[("authorization", basic(town)), ("authorization", basic(town))]),
        }
        for kind, http in callers.items():
            for method, path in routes(gateway):
                if is_public(method, path) or SIGNER.fullmatch(path):
                    continue
                answer = await http.request(method, path)
                assert (answer.status_code, code(answer)) == (401, "CREDENTIALS_REQUIRED"), f"{kind}: {method} {path}"
                assert answer.headers["www-authenticate"].startswith("Basic")
        for method, path in routes(gateway):
            if not is_public(method, path) and not SIGNER.fullmatch(path):
                answer = await gateway.http(town).request(method, path)
                assert answer.status_code not in (401, 403, 500), f"{method} {path}: {answer.text[:200]}"

    run(tmp_path, case)


def basic(issued: Issued) -> str:
    return "Basic " + base64.b64encode(f"{issued.client_id}:{issued.secret}".encode()).decode()


@pytest.mark.parametrize("environment", ["TA", "PROD"])
def test_nothing_configured_means_nobody_enters(tmp_path: Path, environment: str) -> None:
    """Case A-1: no client, no network, no entry; in PROD neither with a client that has no network."""

    async def case(gateway: Embedded) -> None:
        for method, path in routes(gateway):
            if not is_public(method, path) and not SIGNER.fullmatch(path):
                answer = await gateway.http(Issued("town", "", (), "x", "")).request(method, path)
                assert answer.status_code == 401, f"{method} {path}"

    run(tmp_path, case, **(PRODUCTION if environment == "PROD" else {}))


def test_a_secret_opens_what_its_scopes_say(tmp_path: Path) -> None:
    async def case(gateway: Embedded) -> None:
        await gateway.register("town", scopes=["documents"])
        reader = await rotate(gateway.services, "town", OPERATOR, ("usage",))
        http = gateway.http(reader)
        assert (await http.get("/v1/usage")).status_code == 200
        for method, path in routes(gateway):
            if path.startswith("/v1/") and path != "/v1/usage":
                assert code(await http.request(method, path)) == "SCOPE_MISSING", f"{method} {path}"

    run(tmp_path, case)


@pytest.mark.parametrize(
    ("peer", "forwarded", "enters"),
    [
        (HERE, None, True),
        ("198.51.100.1", None, False),
        ("::ffff:203.0.113.7", None, True),
        ("::ffff:198.51.100.1", None, False),
        ("2001:db8:7::1", None, True),
        ("2001:0DB8:0007:0000::1", None, True),
        ("2001:db8:8::1", None, False),
        # a header that a stranger writes says nothing
        ("198.51.100.1", HERE, False),
        ("198.51.100.1", f"{HERE}, {HERE}", False),
        # through our proxy: what the proxy added counts, nothing before it
        ("10.0.0.1", HERE, True),
        ("10.0.0.1", f"198.51.100.1, {HERE}", True),
        ("10.0.0.1", f"{HERE}, 198.51.100.1", False),
        ("10.0.0.1", f"{HERE}, 10.0.0.2", True),
        ("10.0.0.1", f"{HERE}, 198.51.100.1, 10.0.0.2", False),
        ("::ffff:10.0.0.1", HERE, True),
        ("10.0.0.1", "::ffff:203.0.113.7", True),
        ("10.0.0.1", "[2001:db8:7::1]:443", True),
        ("10.0.0.1", f"{HERE}:51000", True),
        ("10.0.0.1", None, False),
        ("10.0.0.1", "", False),
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "unknown", False),
        ("10.0.0.1", "203.0.113.7/32", False),
        ("10.0.0.1", f"{HERE},", False),
        ("10.0.0.1", "2001:db8:7::1%eth0", False),
        ("10.0.0.1", "x," * 5000 + HERE, True),
    ],
)
def test_source_networks(tmp_path: Path, peer: str, forwarded: str | None, enters: bool) -> None:
    """Case A-2, FTS-ENV-4: only the configured hop counts."""

    async def case(gateway: Embedded) -> None:
        town = await gateway.register("town", networks=NETWORKS)
        headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
        answer = await gateway.http(town, peer, headers=headers).get("/v1/usage")
        assert answer.status_code == (200 if enters else 403), answer.text
        if not enters:
            assert code(answer) == "NETWORK_REFUSED"

    run(tmp_path, case, **PRODUCTION, proxies=["10.0.0.0/24"])


def test_several_headers_are_one_list(tmp_path: Path) -> None:
    """Case A-2: X-Forwarded-For more than once, over one proxy of ours and over two; only the last hop counts."""
    stranger, proxy = "198.51.100.1", "10.0.0.2"
    lists = {
        (HERE, stranger): False,
        (stranger, HERE): True,
        (HERE, stranger, proxy): False,
        (stranger, HERE, proxy): True,
        (f"{HERE}, {HERE}", stranger): False,
        (HERE, f"{stranger}, {proxy}", proxy): False,
        (HERE, ""): False,
        ("", HERE): True,
        (HERE, "::ffff:10.0.0.2", "garbage"): False,
        (HERE, "::ffff:10.0.0.2"): True,
        (HERE, "[::ffff:198.51.100.1]:443"): False,
        (HERE, "fe80::1%eth0"): False,
        (HERE, "\t"): False,
        (HERE, "198.51.100.1:1:1"): False,
        (HERE, "203.0.113.7 203.0.113.7"): False,
        (HERE, "0xcb.0.113.7"): False,
        (stranger, "::cb00:7107"): False,
    }

    async def case(gateway: Embedded) -> None:
        town = await gateway.register("town", networks=NETWORKS)
        for lines, enters in lists.items():
            headers = [("x-forwarded-for", line) for line in lines]
            answer = await gateway.http(town, "10.0.0.1", headers=headers).get("/v1/usage")
            assert answer.status_code == (200 if enters else 403), lines

    run(tmp_path, case, **PRODUCTION, proxies=["10.0.0.0/24"])


def test_other_headers_about_the_source_say_nothing(tmp_path: Path) -> None:
    """Case A-2."""

    async def case(gateway: Embedded) -> None:
        town = await gateway.register("town", networks=NETWORKS)
        for name in ("x-real-ip", "forwarded", "client-ip", "true-client-ip", "x-client-ip", "cf-connecting-ip"):
            value = f"for={HERE}" if name == "forwarded" else HERE
            answer = await gateway.http(town, "198.51.100.1", headers={name: value}).get("/v1/usage")
            assert code(answer) == "NETWORK_REFUSED", name

    run(tmp_path, case, **PRODUCTION, proxies=["10.0.0.0/24"])


def test_networks_count_in_production_only(tmp_path: Path) -> None:
    async def case(gateway: Embedded) -> None:
        town = await gateway.register("town", networks=NETWORKS)
        assert (await gateway.http(town, "198.51.100.1").get("/v1/usage")).status_code == 200

    run(tmp_path, case)


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("health", "/v1/usage"),
        ("gateway.example/health/live?", "/v1/usage"),
        ("gateway.example#", "/v1/usage"),
        ("gateway.example:443", "/v1/usage"),
        ("gateway.example, gateway.example", "/v1/usage"),
        ("", "/v1/usage"),
        ("gateway.example", "//v1/usage"),
        ("gateway.example", "/health/live/../../v1/usage"),
        ("gateway.example", "/static/../v1/usage"),
        ("gateway.example", "/static/%2e%2e/v1/usage"),
        ("gateway.example", "/health/live%2f..%2f..%2fv1/usage"),
        ("gateway.example", "/V1/usage"),
        ("gateway.example", "/v1/usage/"),
        ("gateway.example", "/v1/usage%00"),
        ("gateway.example", "/v1//usage"),
        ("gateway.example", "/sign/../v1/usage"),
    ],
)
def test_no_way_around_by_host_or_path(tmp_path: Path, host: str, path: str) -> None:
    """Case A-3."""

    async def case(gateway: Embedded) -> None:
        sent: list[Any] = []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "https",
            "path": httpx.URL(f"https://x{path}").path if "%" in path else path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", host.encode())],
            "client": (HERE, 1),
            "server": ("gateway.example", 443),
        }

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await gateway.app(scope, receive, send)
        assert sent[0]["status"] in (401, 404, 421), sent

    run(tmp_path, case)


def test_a_noisy_client_harms_itself_only(tmp_path: Path) -> None:
    """Case A-8."""
    small = {"per_minute": 60, "burst": 10, "per_day": 1000}

    async def case(gateway: Embedded) -> None:
        noisy = await gateway.register("noisy", capacity={"read": small})
        calm = await gateway.register("calm", capacity={"read": small})
        loud, quiet = gateway.http(noisy), gateway.http(calm)
        answers = await asyncio.gather(*(loud.get("/v1/usage") for _ in range(100)))
        assert sorted(answer.status_code for answer in answers) == [200] * 10 + [429] * 90
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert (code(refused), refused.headers["retry-after"]) == ("CAPACITY_EXCEEDED", "1")
        assert [(await quiet.get("/v1/usage")).status_code for _ in range(10)] == [200] * 10

    run(tmp_path, case)


def test_addresses_have_one_form() -> None:
    assert str(parsed("::ffff:10.1.2.3")) == "10.1.2.3"
    assert str(parsed("::FFFF:0A01:0203")) == "10.1.2.3"
    assert str(parsed("[2001:DB8::0:1]:8443")) == "2001:db8::1"
    assert parsed("010.1.2.3") is None
    assert parsed("10.1.2") is None


def test_what_is_refused_at_the_door_is_recorded(tmp_path: Path) -> None:
    """FTS-GDPR-6: refused logins, wrong networks, missing scopes, replayed secrets, foreign data, invalid links."""

    async def case(gateway: Embedded) -> None:
        town = await gateway.register("town", networks=NETWORKS, scopes=["usage"])
        old = await rotate(gateway.services, "town", OPERATOR, None)
        await withdraw(gateway.services, "town", old.credential_id, OPERATOR)
        stranger = "198.51.100.1"
        await gateway.http(Issued("town", "", (), "guess", ""), stranger).get("/v1/usage")
        await gateway.http(Issued("nobody", "", (), "guess", ""), stranger).get("/v1/usage")
        await gateway.http(old).get("/v1/usage")
        await gateway.http(town, stranger).get("/v1/usage")
        await gateway.http(town).delete("/v1/documents")
        headers = {"origin": gateway.base, "content-type": "application/json"}
        await gateway.http(peer=stranger, headers=headers).post(f"/sign/{'0' * 32}/session", json={"secret": "x" * 43})
        await gateway.http().get("/v1/usage")
        await gateway.services.desk.close()
        statement = (
            select(*COLUMNS).select_from(JOINED).where(event_table.c.kind.like("security.%")).order_by(event_table.c.id)
        )
        async with gateway.services.database.read() as connection:
            rows = (await connection.execute(statement)).all()
        found = {
            (event.kind.removeprefix("security."), event.client_id, (event.personal or {})["address"])
            for event in (event_of(row, gateway.services.keyring) for row in rows)
        }
        assert found == {
            ("login_refused", "town", stranger),
            ("login_refused", None, stranger),
            ("secret_withdrawn", "town", HERE),
            ("network_refused", "town", stranger),
            ("scope_refused", "town", HERE),
            ("link_refused", None, stranger),
        }, "a request without credentials is no attempt"

    run(tmp_path, case, **PRODUCTION)
