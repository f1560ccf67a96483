"""Large files, changed files, and files that no container takes (FTS-SIG-5)."""

import io
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import httpx
import pytest

from signing.asic.extend import extend
from signing.asic.finish import finish
from signing.asic.ports import Container, ContainerError, ContainerTooLargeError
from signing.asic.prepare import prepare
from signing.asic.reading import is_container, is_zip, opened
from signing.asic.release import release
from signing.asic.verify import verify
from signing.limits import LIMITS
from signing.ports import DocumentChangedError, Level, Profile, ReleaseError
from signing.xades.ports import DataObject, DocumentError
from tests.conformance.asic.conftest import ContainerJudge
from tests.support.asic import objects, sign_again, sign_container, verify_container
from tests.support.line import Line, sign_value
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import utc_now

LARGE = 50 * 1024 * 1024
FLAT = 12 * 1024 * 1024
FILES = {"a.txt": b"a", "b.txt": b"b"}


def test_fifty_megabytes_are_never_held(full_line: Line, tmp_path: Path) -> None:
    path, made, longer = tmp_path / "large.bin", tmp_path / "large.asice", tmp_path / "longer.asice"
    with path.open("wb") as file:
        file.truncate(LARGE)
    entity = full_line.pki.signers["p256"]

    async def work(client: httpx.AsyncClient, file: BinaryIO, output: BinaryIO, last: BinaryIO) -> None:
        given = [DataObject("large.bin", file)]
        engine, kind = full_line.engine(client, utc_now), Container.ASIC_E
        profile = Profile(Level.LTA)
        prepared = await prepare(given, kind, entity.certificate, entity.chain, profile, engine=engine, clock=utc_now)
        value = sign_value(entity, prepared)
        stamps = full_line.timestamps(client)
        finished = await finish(given, prepared, kind, value, output, engine=engine, timestamps=stamps, clock=utc_now)
        assert finished.size == output.seek(0, io.SEEK_END) > LARGE
        release(prepared, kind, output, full_line.anchors, clock=utc_now)
        await extend(output, last, DigestAlgorithm.SHA256, engine=engine, timestamps=stamps, clock=utc_now)
        assert verify(last, full_line.anchors, clock=utc_now).level is Level.LTA

    with path.open("rb") as file, made.open("w+b") as output, longer.open("w+b") as last:
        tracemalloc.start()
        full_line.run(lambda client: work(client, file, output, last))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < FLAT


def test_a_changed_file_is_not_finished(full_line: Line) -> None:
    with pytest.raises(DocumentChangedError):
        sign_container(full_line, FILES, changed={**FILES, "b.txt": b"c"})
    with pytest.raises(DocumentChangedError):
        sign_container(full_line, FILES, changed={"a.txt": b"a", "c.txt": b"b"})


def test_files_that_no_container_takes(full_line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    for names in (["META-INF/x"], ["mimetype"], ["a.txt", "A.TXT"], ["a", "a/b"], ["../a"], []):
        with pytest.raises(DocumentError):
            sign_container(full_line, dict.fromkeys(names, b"x"))
    for names in (["a.txt", "b.txt"], ["a/b.txt"]):
        with pytest.raises(ContainerError):
            sign_container(full_line, dict.fromkeys(names, b"x"), Container.ASIC_S)
    for limit in ({"container_bytes": 1}, {"container_entries": 4}):
        monkeypatch.setattr("signing.asic.prepare.LIMITS", replace(LIMITS, **limit))
        with pytest.raises(ContainerTooLargeError):
            sign_container(full_line, FILES)


def test_a_further_signature_is_over_the_same_files(full_line: Line) -> None:
    once = sign_container(full_line, FILES, profile=Profile(Level.B)).data
    prepared = sign_container(full_line, {"a.txt": b"a"}, profile=Profile(Level.B)).prepared

    async def work(client: httpx.AsyncClient, container: Container) -> None:
        await finish(
            objects({"a.txt": b"a"}),
            prepared,
            container,
            sign_value(full_line.pki.signers["p384"], prepared),
            io.BytesIO(),
            engine=full_line.engine(client, utc_now),
            timestamps=full_line.timestamps(client),
            clock=utc_now,
            earlier=opened(io.BytesIO(once)),
        )

    with pytest.raises(DocumentChangedError):
        full_line.run(lambda client: work(client, Container.ASIC_E))
    with pytest.raises(ContainerError):
        full_line.run(lambda client: work(client, Container.ASIC_S))


def test_nothing_else_is_released(full_line: Line) -> None:
    first = sign_container(full_line, FILES, profile=Profile(Level.T))
    other = sign_container(full_line, FILES, profile=Profile(Level.T))
    again = sign_again(full_line, first.data, profile=Profile(Level.T))

    def released(container: Container, data: bytes) -> None:
        release(first.prepared, container, io.BytesIO(data), full_line.anchors, clock=utc_now)

    released(Container.ASIC_E, first.data)
    for container, data in (
        (Container.ASIC_S, first.data),
        (Container.ASIC_E, other.data),
        (Container.ASIC_E, first.data[:-1]),
        (Container.ASIC_E, again.data),
    ):
        with pytest.raises(ReleaseError):
            released(container, data)


def test_what_a_container_looks_like(full_line: Line) -> None:
    signed = sign_container(full_line, FILES, profile=Profile(Level.B)).data
    assert (is_container(io.BytesIO(signed)), is_zip(io.BytesIO(signed))) == (True, True)
    for other in (b"", b"PK\x03\x04", b"%PDF-1.7", b"<a/>", signed.replace(b"mimetype", b"mimetypo")):
        assert not is_container(io.BytesIO(other))
    assert not is_zip(io.BytesIO(b"%PDF-1.7"))


def test_media_types_of_the_manifest_are_those_of_the_next_signature(full_line: Line) -> None:
    once = sign_container(full_line, {"a.xml": b"<a/>", "b.txt": b"b"}, profile=Profile(Level.B)).data
    assert [each.mime_type for each in opened(io.BytesIO(once)).files] == ["application/xml", "text/plain"]
    twice = sign_again(full_line, once, profile=Profile(Level.B))
    assert [each.mime_type for each in twice.prepared.objects] == ["application/xml", "text/plain"]
    assert verify_container(full_line, twice.data).valid


def test_a_further_signature_brings_the_manifest_that_was_missing(
    full_line: Line, container_judge: ContainerJudge
) -> None:
    once = sign_container(full_line, FILES).data
    bare = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(once)) as old, zipfile.ZipFile(bare, "w") as new:
        for name in old.namelist():
            if name != "META-INF/manifest.xml":
                new.writestr(zipfile.ZipInfo(name), old.read(name))
    assert [p.code for p in verify_container(full_line, bare.getvalue()).problems] == ["MANIFEST_MISMATCH"]
    twice = sign_again(full_line, bare.getvalue()).data
    assert verify_container(full_line, twice).valid
    assert container_judge(twice).verdict("LTA", signatures=2, timestamps=4, form="XAdES") == []
