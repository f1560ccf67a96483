"""The processes that read documents: a document that takes too much costs itself and nothing else."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from fts.errors import DocumentTooComplexError, RefusalError
from fts.frames import Message
from fts.process_pool import DocumentProcesses
from fts.settings import DocumentLimits, Settings

T = TypeVar("T")

PAGES = 6_000


@pytest.fixture(scope="module")
def slow_document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound PDF that takes seconds to read: many pages."""
    body = bytearray(b"%PDF-1.7\n")
    offsets = []
    kids = b" ".join(b"%d 0 R" % number for number in range(3, PAGES + 3))
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count %d/Kids[%s]>>" % (PAGES, kids)]
    objects += [b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"] * PAGES
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    body += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    body += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    path = tmp_path_factory.mktemp("slow") / "slow.pdf"
    path.write_bytes(body)
    return path


@pytest.fixture
def unsigned(tmp_path: Path) -> Path:
    path = tmp_path / "none.pdf"
    path.write_bytes(b"no document")
    return path


@pytest.fixture(scope="module")
def certificate() -> bytes:
    """A certificate that nobody trusts: a preparation with it ends after the document was admitted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "TEST nobody")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def preparation(path: Path, certificate: bytes) -> Message:
    return {
        "task": "prepare",
        "document": str(path),
        "allow_rewrite": True,
        "certificates": [certificate.hex()],
        "level": "B",
        "digest": "sha256",
        "archive_digest": "sha256",
        "rsa_pss": False,
        "packaging": None,
        "container": None,
    }


def in_pool(
    work: Callable[[DocumentProcesses], Awaitable[T]], limits: DocumentLimits = DocumentLimits(), size: int = 1
) -> T:
    async def run() -> T:
        async with DocumentProcesses(Settings((), limits=limits), size) as pool:
            return await work(pool)

    return asyncio.run(run())


async def call(pool: DocumentProcesses, request: Message) -> Message:
    async with pool.process() as process:
        return await process.call(request, lambda _step: None)


async def assert_usable(pool: DocumentProcesses, unsigned: Path) -> None:
    result = await call(pool, {"task": "verify", "document": str(unsigned)})
    assert [problem["code"] for problem in result["problems"]] == ["NOT_A_PDF"]


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def zygote() -> int:
    """Return this process's only child."""
    (pid,) = children(os.getpid())
    return pid


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    "limits",
    [DocumentLimits(wall_seconds=0.3), DocumentLimits(cpu_seconds=0.1)],
    ids=["time", "processor time"],
)
def test_document_beyond_a_limit_of_time_costs_only_itself(
    limits: DocumentLimits, slow_document: Path, unsigned: Path, certificate: bytes
) -> None:
    async def work(pool: DocumentProcesses) -> float:
        await assert_usable(pool, unsigned)
        start = time.monotonic()
        with pytest.raises(DocumentTooComplexError):
            await call(pool, preparation(slow_document, certificate))
        elapsed = time.monotonic() - start
        await assert_usable(pool, unsigned)
        return elapsed

    assert in_pool(work, limits) < 15


def test_document_beyond_the_limit_of_memory_costs_only_itself(
    tmp_path: Path, unsigned: Path, certificate: bytes
) -> None:
    large = tmp_path / "large.pdf"
    large.write_bytes(b"%PDF-1.7\n")
    os.truncate(large, 99 * 1024**2)
    with large.open("ab") as file:
        file.write(b"\nstartxref\n0\n%%EOF\n")

    async def work(pool: DocumentProcesses) -> None:
        with pytest.raises((DocumentTooComplexError, RefusalError)) as refusal:
            await call(pool, preparation(large, certificate))
        assert refusal.value.code == "DOCUMENT_TOO_COMPLEX"
        await assert_usable(pool, unsigned)

    in_pool(work, DocumentLimits(memory_bytes=250 * 1024**2))


def test_the_same_document_is_read_within_the_limits(slow_document: Path, certificate: bytes) -> None:
    async def work(pool: DocumentProcesses) -> None:
        with pytest.raises(RefusalError) as refusal:
            await call(pool, preparation(slow_document, certificate))
        assert refusal.value.code == "CERTIFICATE_UNTRUSTED"

    in_pool(work)


def test_killed_process_is_replaced(slow_document: Path, unsigned: Path, certificate: bytes) -> None:
    async def work(pool: DocumentProcesses) -> None:
        await assert_usable(pool, unsigned)
        (victim,) = children(zygote())
        pending = asyncio.create_task(call(pool, preparation(slow_document, certificate)))
        await asyncio.sleep(0.2)
        os.kill(victim, signal.SIGKILL)
        with pytest.raises(DocumentTooComplexError):
            await pending
        await assert_usable(pool, unsigned)
        assert victim not in children(zygote())

    in_pool(work)


def test_abandoned_call_spends_its_process(slow_document: Path, unsigned: Path, certificate: bytes) -> None:
    async def work(pool: DocumentProcesses) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await call(pool, preparation(slow_document, certificate))
        await assert_usable(pool, unsigned)

    in_pool(work)


def test_process_is_renewed_after_many_documents(unsigned: Path) -> None:
    async def work(pool: DocumentProcesses) -> set[int]:
        seen = set()
        for _ in range(402):
            await assert_usable(pool, unsigned)
            seen.add(max(children(zygote())))
        return seen

    assert len(in_pool(work)) == 3


def test_documents_are_read_side_by_side(slow_document: Path, unsigned: Path, certificate: bytes) -> None:
    async def work(pool: DocumentProcesses) -> None:
        slow = asyncio.create_task(call(pool, preparation(slow_document, certificate)))
        await asyncio.sleep(0.1)
        await assert_usable(pool, unsigned)
        assert not slow.done()
        with pytest.raises(RefusalError):
            await slow

    in_pool(work, size=2)


def test_finish_without_a_preparation_is_refused(unsigned: Path) -> None:
    async def work(pool: DocumentProcesses) -> None:
        with pytest.raises(RefusalError) as refusal:
            await call(pool, {"task": "finish", "signature": "00", "output": str(unsigned)})
        assert refusal.value.code == "DOCUMENT_CHANGED"
        await assert_usable(pool, unsigned)

    in_pool(work)


def test_processes_know_nothing_of_the_card(monkeypatch: pytest.MonkeyPatch, unsigned: Path) -> None:
    monkeypatch.setenv("SOFTHSM2_CONF", "card")

    async def work(pool: DocumentProcesses) -> None:
        await assert_usable(pool, unsigned)
        (process,) = children(zygote())
        assert b"SOFTHSM2_CONF" not in environment(process)

    in_pool(work)


def wait_for_child() -> None:
    deadline = time.monotonic() + 20
    while not children(zygote()) and time.monotonic() < deadline:
        time.sleep(0.05)


def test_nothing_is_left_running(slow_document: Path, certificate: bytes) -> None:
    async def work(pool: DocumentProcesses) -> list[int]:
        pending = asyncio.create_task(call(pool, preparation(slow_document, certificate)))
        await asyncio.to_thread(wait_for_child)
        pids = [zygote(), *children(zygote())]
        pending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pending
        return pids

    pids = in_pool(work)
    deadline = time.monotonic() + 5
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(pids) == 2
    assert not any(map(is_running, pids))


def test_processes_end_with_the_gateway_s_sudden_death(unsigned: Path) -> None:
    program = f"""
import asyncio, os
from fts.process_pool import DocumentProcesses
from fts.settings import Settings
async def main():
    async with DocumentProcesses(Settings(())) as pool, pool.process() as process:
        await process.call({{"task": "verify", "document": {str(unsigned)!r}}}, print)
        print(pool._zygote.pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout is not None
        pid = int(gateway.stdout.readline())
        pids = [pid, *children(pid)]
        gateway.kill()
    deadline = time.monotonic() + 5
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, pids))


def test_a_program_that_does_not_start_is_not_the_document_s_fault(
    monkeypatch: pytest.MonkeyPatch, unsigned: Path
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with pytest.raises(RefusalError) as refusal:
        in_pool(lambda pool: assert_usable(pool, unsigned))
    assert refusal.value.code == "INTERNAL_ERROR"
