"""Two web processes on one PostgreSQL: repeated orders, a process that dies, a noisy client, a trail that is full.

Design section 4, FTS-SIG-8, FTS-AUD-2; cases A-6, A-8 and L-5.
"""

import secrets
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.e2e.gateway.conftest import Separated
from tests.e2e.gateway.test_failure_map import code
from tests.e2e.gateway.test_uploads import headers
from tests.samples.sound import SOUND
from tests.support.gateway import PLENTY, RETURN_URL, Account, Process, free_port

AT_ONCE = 20
QUOTA = {"per_minute": 300, "burst": 5, "per_day": 1_000_000}
"""Of the noisy client, for each operation: five a second."""
TIMES = 10
"""So many times its quota the noisy client asks."""
CALM = 40
"""Requests of the other client in one run."""
SLOWER, MORE_SECONDS = 3.0, 0.25
"""The bound: beside the noise the 95th percentile is at most so many times that of a quiet run, and so much more."""
DYING = Path(__file__).parents[2] / "support" / "dying_web.py"

Send = Callable[[int], httpx.Response]


@contextmanager
def web(separated: Separated, *before: str) -> Iterator[tuple[str, Process]]:
    """Run one more web process; give its address."""
    port = free_port()
    begin = list(before) or ["-m", "fts.serve"]
    command = [*begin, "web", "--config", str(separated.config), "--port", str(port)]
    process = Process(command, "web ready", separated.directory / f"web-{port}.log")
    process.start()
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.stop()


@pytest.fixture(scope="module")
def bases(separated: Separated) -> Iterator[list[str]]:
    """The addresses of two web processes."""
    with web(separated) as (second, _):
        yield [separated.url, second]


@contextmanager
def callers(separated: Separated, bases: list[str], account: Account) -> Iterator[list[httpx.Client]]:
    """Give a client's connections to each process, which all go by the gateway's one name."""
    host = {"host": f"localhost:{separated.port}"}
    with ExitStack() as stack:
        made = [httpx.Client(base_url=base, auth=account.api.auth, headers=host, timeout=60) for base in bases]
        yield [stack.enter_context(http) for http in made]


def at_once(count: int, send: Send) -> list[httpx.Response]:
    """Send requests that all wait for the last to be ready."""
    barrier = threading.Barrier(count)

    def one(number: int) -> httpx.Response:
        barrier.wait()
        return send(number)

    with ThreadPoolExecutor(count) as pool:
        return [sent.result() for sent in [pool.submit(one, number) for number in range(count)]]


def count(separated: Separated, table: str, document: str) -> int:
    column = "id" if table == "document" else "document_id"
    with separated.database.connect() as connection:
        statement = psycopg.sql.SQL("SELECT count(*) FROM {} WHERE {} = %s").format(
            psycopg.sql.Identifier(table), psycopg.sql.Identifier(column)
        )
        found = connection.execute(statement, (document,)).fetchone()
    assert found is not None
    return int(found[0])


def created(separated: Separated, document: str) -> int:
    """Return how many orders for a document the trail knows."""
    with separated.database.connect() as connection:
        statement = "SELECT count(*) FROM event WHERE document_id = %s AND kind = 'signing.created'"
        found = connection.execute(statement, (document,)).fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.parametrize("what", ["order", "timestamp"])
@pytest.mark.parametrize("bodies", [1, 2])
def test_one_key_has_one_effect(separated: Separated, bases: list[str], what: str, bodies: int) -> None:
    """Case A-6: twenty at once at two processes, with one body, and with two bodies under the same key."""
    account = separated.account
    document = account.upload(SOUND["one_page"]()).json()["id"]
    path = "/v1/signings" if what == "order" else f"/v1/documents/{document}/timestamps"
    orders = (
        [{"document": document, "return_url": RETURN_URL, "state": str(n)} for n in range(bodies)]
        if what == "order"
        else [{"form": form} for form in ("detached", "pdf")[:bodies]]
    )
    key = {"idempotency-key": secrets.token_hex(8)}

    with callers(separated, bases, account) as https:
        answers = at_once(
            AT_ONCE, lambda number: https[number // bodies % 2].post(path, json=orders[number % bodies], headers=key)
        )
        [winner] = {number % bodies for number, answer in enumerate(answers) if answer.is_success}
        again = [http.post(path, json=orders[winner], headers=key) for http in https]
    told = Counter(answer.status_code if answer.is_success else code(answer) for answer in answers)
    ids = {answer.json()["id"] for answer in answers if answer.is_success}
    assert len(ids) == 1, told
    assert set(told) <= ({201, 202} if bodies == 1 else {201, 202, "IDEMPOTENCY_MISMATCH"}), told
    assert told["IDEMPOTENCY_MISMATCH"] == (0 if bodies == 1 else AT_ONCE // 2), told
    assert count(separated, "signing" if what == "order" else "document_timestamp", document) == 1
    if what == "order":
        assert created(separated, document) == 1
        assert len({answer.text for answer in answers if answer.is_success}) == 1
    assert {answer.json()["id"] for answer in again} == ids


def test_one_document_has_one_content(separated: Separated, bases: list[str]) -> None:
    """Case A-6 for uploads, whose key is the id: one content is kept, whoever comes first."""
    account, document = separated.account, secrets.token_hex(8)
    contents = [SOUND["one_page"]() + tail for tail in (b"\n", b"\n\n")]
    with callers(separated, bases, account) as https:

        def send(number: int) -> httpx.Response:
            data = contents[number % 2]
            return https[number // 2 % 2].put(f"/v1/documents/{document}", content=data, headers=headers(data))

        answers = at_once(AT_ONCE, send)
    taken = [number % 2 for number, answer in enumerate(answers) if answer.is_success]
    assert len(set(taken)) == 1, [answer.text for answer in answers]
    assert len(taken) == AT_ONCE // 2
    assert {code(answer) for answer in answers if not answer.is_success} == {"DOCUMENT_EXISTS"}
    assert account.api.get(f"/v1/documents/{document}/content").content == contents[taken[0]]
    assert count(separated, "document", document) == 1
    assert count(separated, "signing", document) == 0


def test_a_key_is_each_clients_own(separated: Separated) -> None:
    """Case A-6: another client's same key is another key."""
    other, key = separated.register("other-keys"), secrets.token_hex(8)
    made = []
    for account in (separated.account, other):
        document = account.upload(SOUND["one_page"](), "the-same-id").json()["id"]
        made.append(account.order(document, key=key))
    assert [answer.status_code for answer in made] == [201, 201], [answer.text for answer in made]
    assert made[0].json()["id"] != made[1].json()["id"]
    assert code(other.api.get(f"/v1/signings/{made[0].json()['id']}")) == "SIGNING_NOT_FOUND"


@pytest.mark.parametrize("what", ["order", "upload", "timestamp"])
def test_a_process_that_dies_before_it_answers(separated: Separated, bases: list[str], what: str) -> None:
    """Case A-6: SIGKILL after the commit, before the answer; the repeated request gets what was made."""
    account, data = separated.account, SOUND["one_page"]()
    document = secrets.token_hex(8)
    if what != "upload":
        account.upload(data, document).raise_for_status()
    key = {"idempotency-key": secrets.token_hex(8)}

    def send(http: httpx.Client) -> httpx.Response:
        if what == "upload":
            return http.put(f"/v1/documents/{document}", content=data, headers=headers(data))
        if what == "order":
            return http.post("/v1/signings", json={"document": document, "return_url": RETURN_URL}, headers=key)
        return http.post(f"/v1/documents/{document}/timestamps", json={"form": "detached"}, headers=key)

    table = {"order": "signing", "upload": "document", "timestamp": "document_timestamp"}[what]
    with web(separated, str(DYING), what) as (dying, process):
        with callers(separated, [dying], account) as [doomed], pytest.raises(httpx.TransportError):
            send(doomed)
        assert process.running is not None
        assert process.running.wait(10) == -9
    assert count(separated, table, document) == 1, "the effect is there, the answer is not"
    with callers(separated, bases, account) as https:
        answers = [send(http) for http in https]
    assert all(answer.is_success for answer in answers), [answer.text for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert count(separated, table, document) == 1


class Noise:
    """A client that asks many times its quota at all processes, as long as the block lasts."""

    def __init__(self, https: list[httpx.Client]) -> None:
        self._https = https
        self._over = threading.Event()
        self.answers: Counter[int] = Counter()
        self._threads = [threading.Thread(target=self._ask, args=(http,)) for http in https]

    def _ask(self, http: httpx.Client) -> None:
        pause = len(self._https) * 60 / (QUOTA["per_minute"] * TIMES)
        while not self._over.wait(pause):
            self.answers[http.get("/v1/usage").status_code] += 1

    def __enter__(self) -> "Noise":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def calm_run(https: list[httpx.Client]) -> float:
    """Return the 95th percentile of a well-behaved client's requests, in seconds; all must succeed."""
    times = []
    for number in range(CALM):
        began = time.perf_counter()
        answer = https[number % len(https)].get("/v1/usage")
        times.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text
        time.sleep(0.02)
    return statistics.quantiles(times, n=20)[-1]


def test_a_noisy_client_slows_nobody(separated: Separated, bases: list[str]) -> None:
    """Case A-8: ten times its quota at two processes; 429 for it, and the other's successes and times as before."""
    noisy = separated.register("noisy", capacity={"read": QUOTA})
    calm = separated.register("calm", capacity={"read": PLENTY})
    with callers(separated, bases, noisy) as loud, callers(separated, bases, calm) as quiet:
        calm_run(quiet)
        before = calm_run(quiet)
        began = time.monotonic()
        with Noise(loud) as noise:
            beside = calm_run(quiet)
        took = time.monotonic() - began
        after = calm_run(quiet)
    allowed = QUOTA["burst"] + QUOTA["per_minute"] / 60 * took
    print(f"p95 quiet {before * 1000:.1f} and {after * 1000:.1f} ms, beside the noise {beside * 1000:.1f} ms")
    assert set(noise.answers) == {200, 429}, noise.answers
    assert noise.answers[200] <= allowed + 1, (noise.answers, allowed)
    assert noise.answers[429] > noise.answers[200], noise.answers
    assert beside <= SLOWER * max(before, after) + MORE_SECONDS, (before, beside, after)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


def test_a_trail_that_takes_nothing_stops_the_work_and_is_told(separated: Separated) -> None:
    """Case L-5: the server takes only reading transactions, as after a fail-over; then it takes records again."""
    account = separated.account
    document = account.upload(SOUND["one_page"]()).json()["id"]
    browser = separated.browser(account.order(document).json())
    browser.open().raise_for_status()
    browser.give_certificate(separated.signer).raise_for_status()
    digest = browser.wait("prepared")["digest"]

    def is_ready() -> bool:
        return account.api.get("/health/ready").status_code == 200

    until(is_ready)
    set_read_only(separated, "on")
    try:
        refused = account.order(document)
        assert (refused.status_code, code(refused)) == (503, "RECORD_UNAVAILABLE")
        assert code(browser.give_value(separated.signer, digest)) == "RECORD_UNAVAILABLE"
        assert code(account.upload(SOUND["one_page"]())) == "RECORD_UNAVAILABLE"
        until(lambda: not is_ready())
        assert "takes no records since" in account.api.get("/health/ready").json()["detail"]
        assert count(separated, "signing", document) == 1
    finally:
        set_read_only(separated, "off")
    until(is_ready)
    assert created(separated, document) == 1
    browser.give_value(separated.signer, digest).raise_for_status()
    assert browser.wait("completed", "failed")["state"] == "completed"
    assert "trail_unavailable" in separated.command("audit", "search", "--kind", "security.trail_unavailable")


def set_read_only(separated: Separated, value: str) -> None:
    """Let the server take reading transactions only, or all again, in the connections that are open too."""
    with separated.database.connect() as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(
            psycopg.sql.SQL("ALTER SYSTEM SET default_transaction_read_only = {}").format(psycopg.sql.Literal(value))
        )
        connection.execute("SELECT pg_reload_conf()")
        time.sleep(0.3)
