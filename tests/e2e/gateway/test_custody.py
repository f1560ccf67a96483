"""Custody: nothing readable at rest, nothing said too much, and what is destroyed is gone (FTS-GDPR-1…3, FTS-SEC-3)."""

import hashlib
import io
import json
import re
import resource
import secrets
import shutil
import sqlite3
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller

from tests.e2e.gateway.test_failure_map import code, moved
from tests.e2e.gateway.test_uploads import wait_for
from tests.samples.damaged import DAMAGED
from tests.samples.sound import SOUND
from tests.support.gateway import RETURN_URL, Account, Gateway, Process, free_port, named


class Inbox:
    """A mail server that keeps what it gets."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        mail = message_from_bytes(envelope.content, policy=default)
        self.mails.append(f"{mail.items()}\n{mail.get_content()}")
        return "250 OK"


@pytest.fixture(scope="module")
def inbox() -> Iterator[tuple[Inbox, int]]:
    """A mail server and its port."""
    handler, port = Inbox(), free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield handler, port
    controller.stop()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, inbox: tuple[Inbox, int]) -> Iterator[Gateway]:
    """A gateway of its own: the tests look into every file of it."""
    mail = {
        "host": "127.0.0.1",
        "port": inbox[1],
        "starttls": False,
        "sender": "fts@gateway.example",
        "operators": ["duty@gateway.example"],
    }
    with Gateway(tmp_path_factory.mktemp("house"), limits={"sweep_seconds": 0.2}, mail=mail) as running:
        yield running


_FULL = 8192
"""Octets of a file at which the disk is full: none of the database's."""


def marked(marker: str) -> bytes:
    """Return a PDF whose octets hold a marker, in a comment and in its text."""
    data = SOUND["one_page"]()
    assert data.startswith(b"%PDF-1.7\n")
    return data + f"% {marker}\n".encode()


def everything(directory: Path) -> Iterator[tuple[Path, bytes]]:
    """Return every file of the gateway: database with its log, objects, keys, spool, logs of the processes."""
    for path in [*directory.glob("*.log"), *(directory / "data").rglob("*")]:
        if path.is_file():
            yield path, path.read_bytes()


def found_in(directory: Path, needle: bytes) -> list[str]:
    forms = {needle, needle.hex().encode(), needle.decode(errors="replace").encode("utf-16-le")}
    return [str(path.name) for path, octets in everything(directory) if any(form in octets for form in forms)]


def completed(gateway: Gateway, account: Account, data: bytes, **more: Any) -> dict[str, Any]:
    signing = account.new_signing(data, **more)
    browser = gateway.browser(signing)
    assert browser.sign(gateway.signer)["state"] == "completed"
    browser.http.get(f"{browser.path}/pages/1.png").raise_for_status()
    browser.http.get(f"{browser.path}/pages/1.txt").raise_for_status()
    return account.signing(signing["id"])


def test_nothing_of_a_document_can_be_read_where_it_is_kept(house: Gateway) -> None:
    """The marker of a document, who signed it and what the client sent along: in no file (FTS-SEC-3)."""
    marker, name = secrets.token_hex(12), f"{secrets.token_hex(8)}.pdf"
    uploaded = house.account.upload(marked(marker), name=name)
    state = secrets.token_hex(8)
    signing = house.account.order(uploaded.json()["id"], state=state).json()
    browser = house.browser(signing)
    assert browser.sign(house.signer)["state"] == "completed"
    browser.http.get(f"{browser.path}/pages/1.txt").raise_for_status()
    signed = house.account.api.get(f"/v1/signings/{signing['id']}/content").content
    assert marker.encode() in signed
    person = house.account.signing(signing["id"])["signer"]
    for what in (marker, name, state, person["name"], person["identification_number"]):
        assert found_in(house.directory, what.encode()) == [], what
    certificate = house.signer.certificate.tbs_certificate_bytes
    assert found_in(house.directory, certificate[:200]) == []
    numbers = [event.personal["signer"] for event in house.trail(signing["id"]) if "signer" in (event.personal or {})]
    assert set(numbers) == {person["identification_number"]}, "the trail has it, under the audit-custody key"


def everywhere(house: Gateway, canary: str) -> list[httpx.Response]:
    """Send a canary in every parameter, header and body of every route that is described, and as every secret."""
    described = httpx.get(f"{house.url}/openapi.json").raise_for_status().json()["paths"]
    body = {"pin": canary, "password": canary, "secret": canary, "document": canary, canary: canary}

    def send(method: str, path: str, operation: dict[str, Any]) -> httpx.Response:
        own = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "header"]
        values = dict.fromkeys((*own, "x-request-id", "traceparent", "origin", "x-api-key"), canary)
        more: dict[str, Any] = {"json": body} if "requestBody" in operation else {}
        return house.account.api.request(method, path, headers=values, params={"pin": canary, "q": canary}, **more)

    return [
        send(method, re.sub(r"\{\w+\}", value, path), operation)
        for path, operations in described.items()
        for method, operation in operations.items()
        if (method, path) != ("delete", "/v1/documents")
        for value in (canary, "0" * 32)
    ]


def test_nothing_that_comes_in_goes_out_to_logs_errors_or_mails(house: Gateway, inbox: tuple[Inbox, int]) -> None:
    """Case S-5: a canary in every input."""
    canary = "canary" + secrets.token_hex(10)
    api, url = house.account.api, house.url
    pdf = marked(canary)
    document = house.account.upload(pdf, name=f"{canary}.pdf").json()["id"]
    signing = house.account.order(document, state=canary, key=canary).json()
    browser = house.browser(signing)
    path = browser.path
    answers = [
        httpx.get(f"{url}/v1/usage", auth=("town", canary)),
        httpx.get(f"{url}/v1/usage", auth=(canary, canary)),
        httpx.get(f"{url}/v1/usage", headers={"authorization": f"Bearer {canary}"}),
        httpx.get(f"{url}/v1/usage", headers={"host": canary}),
        httpx.get(f"{url}/v1/usage", headers={"x-forwarded-for": canary, "user-agent": canary, "cookie": canary}),
        api.get("/v1/usage", headers={"range": canary, "referer": f"https://x/{canary}"}),
        api.post("/v1/signings", content=canary.encode()),
        api.post("/v1/signings", content=json.dumps({"document": document, "state": [canary]})),
        api.post("/v1/signings", json={"document": document, "return_url": f"https://x/{canary}"}),
        api.post("/v1/signings", json={"document": document, "return_url": RETURN_URL, "profile": canary}),
        api.post("/v1/signings", json={"document": document, "return_url": RETURN_URL, "signer": {"x": canary}}),
        api.post(
            "/v1/signings",
            json={"document": document, "return_url": RETURN_URL, "state": canary},
            headers={"idempotency-key": canary},
        ),
        api.put("/v1/documents/other", content=canary.encode(), headers={"content-type": canary}),
        api.put(
            "/v1/documents/other",
            content=canary.encode(),
            headers={
                "content-type": "application/pdf",
                "content-digest": f"sha-256=:{canary}:",
                "content-disposition": named(canary + "\u202e"),
            },
        ),
        house.account.upload(canary.encode(), name=f"{canary}.pdf"),
        browser.post("session", {"secret": canary}),
        browser.post("session", {canary: "x" * 20_000}),
        httpx.post(f"{url}{path}/certificate", json={"certificate": canary, "chain": []}, cookies={"fts": canary}),
        httpx.post(f"{url}{path}/session", json={"secret": "x"}, headers={"origin": f"https://{canary}"}),
    ]
    browser.open().raise_for_status()
    answers += [
        browser.post("certificate", {"certificate": canary, "chain": []}),
        browser.post("certificate", {"certificate": "AAAA", "chain": [canary]}),
        browser.post("signature", {"digest": canary, "signature": canary}),
        browser.post("card-problem", {"result": canary + "!"}),
        browser.post("card-problem", {"result": canary + "\n\x1b[31m"}),
    ]
    for answer in everywhere(house, canary):
        assert answer.status_code < 500, answer.text
        assert canary not in str(answer.headers)
        told = re.sub(rf"{canary}: Extra inputs are not permitted|there is no \w+ {canary}", "", answer.text)
        assert answer.is_success or canary not in told, answer.text
    for answer in answers:
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            shown = answer.text.replace(f'\\"{canary}\\"', "") if answer.status_code == 400 else answer.text
            assert canary not in shown or _is_a_member_name(answer, canary), answer.text
            assert canary not in str(answer.headers)
    assert found_in(house.directory, canary.encode()) == []
    deadline = time.monotonic() + 20
    while not any("login_refused" in mail for mail in inbox[0].mails):
        assert time.monotonic() < deadline, "the refused logins are reported by mail"
        time.sleep(0.2)
    assert not any(canary in mail for mail in inbox[0].mails)


def _is_a_member_name(answer: httpx.Response, canary: str) -> bool:
    """Tell whether an error names a member that is unknown: whoever sent it must find it."""
    return f"{canary}: Extra inputs are not permitted" in answer.json()["detail"]


def test_a_secret_of_the_gateway_is_in_no_file_but_its_own(house: Gateway) -> None:
    """Secrets of clients, of links and of sessions are kept as keyed hashes."""
    signing = house.account.new_signing(SOUND["one_page"]())
    browser = house.browser(signing)
    browser.open().raise_for_status()
    [cookie] = [value for name, value in browser.http.cookies.items()]
    for secret in (house.account.secret, browser.secret, cookie, house.account.webhook_secret.removeprefix("whsec_")):
        assert found_in(house.directory, secret.encode()) == []


def test_no_process_leaves_a_core(house: Gateway) -> None:
    """Keys and documents in memory end on no disk, though a process dies (FTS-SEC-3)."""
    parents = [process.running.pid for process in (house.web, house.worker, house.sequencer) if process.running]
    children = [path.read_text().split() for pid in parents for path in Path(f"/proc/{pid}/task").glob("*/children")]
    pids = [*parents, *(int(pid) for found in children for pid in found)]
    assert len(pids) > len(parents), "document processes, too"
    for pid in pids:
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE), pid


def test_a_restored_backup_gives_nothing_back(house: Gateway, tmp_path: Path) -> None:
    """Yesterday's database and objects come back after the destruction: nothing can be read (FTS-GDPR-1, -2)."""
    marker = secrets.token_hex(12)
    signing = completed(house, house.account, marked(marker))
    document, data = signing["document"], house.directory / "data"
    with closing(sqlite3.connect(data / "fts.sqlite3")) as database:
        database.execute("VACUUM INTO ?", (str(tmp_path / "fts.sqlite3"),))
    shutil.copytree(data / "objects", tmp_path / "objects")
    assert house.account.api.delete(f"/v1/documents/{document}").status_code == 204

    for process in (house.web, house.worker, house.sequencer):
        process.stop()
    for name in ("fts.sqlite3", "fts.sqlite3-wal", "fts.sqlite3-shm"):
        (data / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "fts.sqlite3", data / "fts.sqlite3")
    shutil.rmtree(data / "objects")
    shutil.copytree(tmp_path / "objects", data / "objects")
    for process in (house.web, house.worker, house.sequencer):
        process.start()

    with closing(sqlite3.connect(data / "fts.sqlite3")) as database:
        [[count]] = database.execute("SELECT count(*) FROM document WHERE id = ?", (document,))
    assert count == 1, "the backup has the row"
    api = house.account.api
    for path in (f"/v1/documents/{document}", f"/v1/documents/{document}/content"):
        assert code(api.get(path)) == "DOCUMENT_NOT_FOUND"
    for path in (f"/v1/signings/{signing['id']}", f"/v1/signings/{signing['id']}/content"):
        assert code(api.get(path)) == "SIGNING_NOT_FOUND"
    assert house.browser_at(signing["signing_url"]).open().status_code == 404
    assert marker.encode() not in api.get("/v1/export").content
    assert found_in(house.directory, marker.encode()) == []


def test_a_client_takes_everything_with_it(house: Gateway) -> None:
    """FTS-GDPR-3: all data in one archive that any tar reads; recorded."""
    account = house.register("leaving")
    data = SOUND["one_page"]()
    signing = completed(house, account, data, state="at the counter", signer=None)
    second = account.upload(data + b"\n", name="Überblick.pdf").json()["id"]
    answer = account.api.get("/v1/export")
    assert answer.headers["content-type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        members = {member.name: _content(archive, member) for member in archive.getmembers()}
    folder = f"documents/{signing['document']}"
    signed = account.api.get(f"/v1/signings/{signing['id']}/content").content
    assert members[f"{folder}/original.pdf"] == data
    assert members[f"{folder}/signings/{signing['id']}/signed.pdf"] == signed
    assert members[f"documents/{second}/original.pdf"] == data + b"\n"
    assert json.loads(members[f"documents/{second}/document.json"])["name"] == "Überblick.pdf"
    about = json.loads(members[f"{folder}/signings/{signing['id']}/signing.json"])
    assert about["state_of_client"] == "at the counter"
    assert about["signer"] == signing["signer"]
    events = [json.loads(line) for line in members["trail/0001.jsonl"].splitlines()]
    assert {"client.created", "document.uploaded", "signing.completed", "client.export_begun"} <= {
        event["kind"] for event in events
    }
    assert all(event["client"] == "leaving" for event in events)


def test_what_was_derived_is_handed_over_too(house: Gateway) -> None:
    """FTS-GDPR-3: the rewritten form, pages that were drawn, timestamps in every form."""
    account = house.register("whole")
    damaged = account.upload(DAMAGED["startxref_missing"].make()).json()
    signing = completed(house, account, SOUND["one_page"]())
    forms = {"pdf": ".pdf", "asic-s": ".asics", "detached": ".tst"}
    stamps = f"/v1/documents/{signing['document']}/timestamps"
    made = {form: account.api.post(stamps, json={"form": form}).raise_for_status().json() for form in forms}
    with tarfile.open(fileobj=io.BytesIO(account.api.get("/v1/export").content)) as archive:
        members = {member.name: _content(archive, member) for member in archive.getmembers()}
    rewritten = members[f"documents/{damaged['id']}/rewritten.pdf"]
    assert hashlib.sha256(rewritten).hexdigest() == damaged["repair"]["rewritten_sha256"]
    folder = f"documents/{signing['document']}"
    assert members[f"{folder}/pages/1.png"].startswith(b"\x89PNG")
    assert members[f"{folder}/pages/1.txt"]
    assert f"{folder}/rewritten.pdf" not in members
    for form, ending in forms.items():
        octets = members[f"{folder}/timestamps/{made[form]['id']}/timestamped{ending}"]
        assert octets == account.api.get(f"{stamps}/{made[form]['id']}/content").content
        about = json.loads(members[f"{folder}/timestamps/{made[form]['id']}/timestamp.json"])
        assert about["sha256"] == hashlib.sha256(octets).hexdigest()
    kept = objects(house, "whole")
    handed_over = [name for name in members if not name.endswith((".json", ".jsonl"))]
    assert len(handed_over) == len(kept), "every object of the bucket has its member"


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def test_a_client_has_everything_destroyed_at_once(house: Gateway) -> None:
    """FTS-GDPR-2: on demand, with a report; another client's documents stay."""
    account, other = house.register("ending"), house.register("staying")
    data = SOUND["one_page"]()
    kept = other.upload(data).json()["id"]
    signing = completed(house, account, data)
    waiting = account.new_signing(data)
    before = objects(house, "ending")
    assert len(before) >= 4
    answer = account.api.delete("/v1/documents")
    assert answer.json() == {"documents": 2, "objects": len(before), "in_use": []}
    assert objects(house, "ending") == []
    assert list((house.directory / "data" / "keys" / "ending").iterdir()) == []
    for one in (signing, waiting):
        assert code(account.api.get(f"/v1/signings/{one['id']}")) == "SIGNING_NOT_FOUND"
    assert other.api.get(f"/v1/documents/{kept}/content").content == data
    kinds = [event.kind for event in house.trail(waiting["id"])]
    assert kinds[-3:] == ["signing.cancelled", "document.deletion_ordered", "document.destroyed"]


def objects(gateway: Gateway, bucket: str) -> list[str]:
    folder = gateway.directory / "data" / "objects" / bucket
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def test_the_end_of_a_contract(house: Gateway) -> None:
    """FTS-OPS-6, FTS-GDPR-2: no entry, no data, a report; the trail stays and says so."""
    account = house.register("former")
    signing = completed(house, account, SOUND["one_page"]())
    report = json.loads(house.command("clients", "offboard", "former", "--yes"))
    assert (report["client"], report["documents"], report["credentials"]) == ("former", 1, 1)
    assert report["objects"] >= 4
    assert objects(house, "former") == []
    assert not (house.directory / "data" / "keys" / "former").exists()
    assert code(account.api.get("/v1/usage")) == "CREDENTIALS_REQUIRED"
    assert "signing.completed" in [event.kind for event in house.trail(signing["id"])]
    again = json.loads(house.command("clients", "offboard", "former", "--yes"))
    assert (again["documents"], again["objects"]) == (0, 0), "it may be repeated"
    with pytest.raises(RuntimeError, match=r"CLIENT_INVALID.*offboarded"):
        house.command("clients", "apply", str(house.clients), "--yes")
    (house.clients / "former.toml").unlink()


def test_objects_that_change_places_are_found(house: Gateway) -> None:
    """Case F-5: one document's object under another's name, of the same client."""
    data = SOUND["one_page"]()
    one, two = (house.account.upload(data + tail).json()["id"] for tail in (b"\n", b"\n\n"))
    with moved(house) as database:
        first, second = (
            house.directory / "data" / "objects" / name
            for identifier in (one, two)
            for (name,) in database.execute("SELECT object FROM document WHERE id = ?", (identifier,))
        )
    octets = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(octets)
    for identifier in (one, two):
        answer = house.account.api.get(f"/v1/documents/{identifier}/content")
        assert code(answer) == "DOCUMENT_CHANGED"
        assert house.account.api.delete(f"/v1/documents/{identifier}").status_code == 204


def test_nothing_is_done_without_its_record(house: Gateway) -> None:
    """Case L-5: the disk of the trail is full: refused with a clear code, and no effect; then it goes on."""
    data, database = SOUND["one_page"](), house.directory / "data" / "fts.sqlite3"
    ready = house.account.upload(data).json()["id"]
    before = objects(house, "town")
    processes = [house.web, house.worker, house.sequencer]
    try:
        for process in processes:
            _limit(process, _FULL)
        refused = house.account.order(ready)
        assert (refused.status_code, code(refused)) == (503, "RECORD_UNAVAILABLE")
        assert refused.headers["retry-after"]
        count = signings(database)
        assert code(house.account.order(ready)) == "RECORD_UNAVAILABLE"
        assert code(house.account.upload(data)) == "RECORD_UNAVAILABLE"
        assert code(house.account.api.delete(f"/v1/documents/{ready}")) == "RECORD_UNAVAILABLE"
        assert signings(database) == count
        wait_for(lambda: house.account.api.get("/health/ready").status_code == 503)
        assert "takes no records since" in house.account.api.get("/health/ready").json()["detail"]
    finally:
        for process in processes:
            _limit(process, resource.RLIM_INFINITY)
    assert house.account.order(ready).status_code == 201
    wait_for(lambda: house.account.api.get("/health/ready").status_code == 200)
    assert "trail_unavailable" in house.command("audit", "search", "--kind", "security.trail_unavailable")
    assert b"OperationalError" in house.web.log.read_bytes(), "whoever watches the log is told"
    assert set(before) <= set(objects(house, "town"))


def signings(database: Path) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        [[count]] = connection.execute("SELECT count(*) FROM signing")
        return int(count)


def _limit(process: Process, size: int) -> None:
    assert process.running is not None
    _, hard = resource.prlimit(process.running.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.running.pid, resource.RLIMIT_FSIZE, (size, hard))
