"""Objects as files below one directory: the embedded store."""

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from storage.ports import Finding, ObjectMissingError, StorageError, Stored

_BUCKET: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OBJECT: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_TEMPORARY: Final = re.compile(r"\.[0-9a-f]{16}")
"""The name of a file that is being written; no object has it."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_CHUNK: Final = 1 << 20


class FileStore:
    """An `ObjectStore` below `root`; a file appears under its name only when all of it is on the disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._durable: set[str] = set()
        """Buckets whose entry in the root this process has brought to the disk."""
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def put(self, name: str, source: Path) -> None:
        """See `ObjectStore.put`."""
        bucket, file = _parts(name)
        with _failures(f"{name} cannot be stored"):
            await asyncio.to_thread(self._put, bucket, file, source)

    async def open(self, name: str) -> BinaryIO:
        """See `ObjectStore.open`."""
        bucket, file = _parts(name)
        with _failures(f"{name} cannot be read"):
            try:
                return await asyncio.to_thread(self._open, bucket, file)
            except FileNotFoundError as error:
                raise ObjectMissingError(f"there is no object {name}") from error

    async def delete(self, name: str) -> None:
        """See `ObjectStore.delete`; the name of a half-written file, as the listing shows it, is good here."""
        bucket, file = _parts(name, half_written=True)
        with _failures(f"{name} cannot be deleted"):
            await asyncio.to_thread(self._delete, bucket, file)

    async def check(self) -> None:
        """See `ObjectStore.check`."""
        with _failures("the store cannot be written"):
            await asyncio.to_thread(self._check)

    async def probe(self, bucket: str) -> list[Finding]:
        """See `ObjectStore.probe`."""
        _require(_BUCKET.fullmatch(bucket), bucket)
        with _failures(f"the bucket {bucket} cannot be probed"):
            return await asyncio.to_thread(self._probe, bucket)

    async def listing(self, bucket: str | None = None) -> AsyncIterator[Stored]:
        """See `ObjectStore.listing`; files that a crash left half-written are listed too."""
        if bucket is not None:
            _require(_BUCKET.fullmatch(bucket), bucket)
        with _failures("the store cannot be listed"):
            found = await asyncio.to_thread(self._listed, bucket)
        for stored in found:
            yield stored

    async def discard_unfinished(self, before: datetime) -> int:
        """See `ObjectStore.discard_unfinished`."""
        with _failures("half-written files cannot be removed"):
            return await asyncio.to_thread(self._discard, before.timestamp())

    async def remove_bucket(self, bucket: str) -> None:
        """See `ObjectStore.remove_bucket`."""
        _require(_BUCKET.fullmatch(bucket), bucket)
        with _failures(f"the bucket {bucket} cannot be removed"):
            await asyncio.to_thread(self._remove, bucket)

    @contextmanager
    def _folder(self, bucket: str = "") -> Iterator[int]:
        """Open a bucket, or the root, so that what is done in it cannot be led elsewhere by a link."""
        descriptor = os.open(self._root / bucket, _FOLDER if bucket else os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _put(self, bucket: str, file: str, source: Path) -> None:
        with source.open("rb") as octets:
            self._make(bucket)
            with self._folder(bucket) as folder:
                temporary = f".{secrets.token_hex(8)}"
                try:
                    if not _linked(octets, source, temporary, folder):
                        with _opened(temporary, "xb", folder) as output:
                            shutil.copyfileobj(octets, output, _CHUNK)
                            output.flush()
                            os.fsync(output.fileno())
                    os.rename(temporary, file, src_dir_fd=folder, dst_dir_fd=folder)
                except BaseException:
                    _unlink(temporary, folder)
                    raise
                os.fsync(folder)

    def _make(self, bucket: str) -> None:
        try:
            (self._root / bucket).mkdir(mode=0o700)
        except FileExistsError:
            if bucket in self._durable:
                return
        with self._folder() as root:
            os.fsync(root)
        self._durable.add(bucket)

    def _open(self, bucket: str, file: str) -> BinaryIO:
        with self._folder(bucket) as folder:
            return _opened(file, "rb", folder)

    def _delete(self, bucket: str, file: str) -> None:
        try:
            with self._folder(bucket) as folder:
                os.unlink(file, dir_fd=folder)
                os.fsync(folder)
        except FileNotFoundError:
            return

    def _check(self) -> None:
        with self._folder() as root:
            name = f".{secrets.token_hex(8)}"
            try:
                with _opened(name, "xb", root) as file:
                    file.write(b"probe")
                with _opened(name, "rb", root) as file:
                    if file.read() != b"probe":
                        raise StorageError("the store does not give back what was written")
            finally:
                _unlink(name, root)

    def _probe(self, bucket: str) -> list[Finding]:
        octets = secrets.token_bytes(1 << 16)
        name = f"fts-probe-{secrets.token_hex(8)}"
        source = self._root / f".{secrets.token_hex(8)}"
        try:
            with self._folder() as root, _opened(source.name, "xb", root) as file:
                file.write(octets)
            self._put(bucket, name, source)
        finally:
            source.unlink(missing_ok=True)
        try:
            with self._open(bucket, name) as stored:
                same = stored.read() == octets
                file_mode = os.fstat(stored.fileno()).st_mode & 0o777
        finally:
            self._delete(bucket, name)
        modes = [self._root.stat().st_mode & 0o777, (self._root / bucket).stat().st_mode & 0o777, file_mode]
        gone = not (self._root / bucket / name).exists()
        return [
            Finding(
                "other users cannot read",
                not any(mode & 0o077 for mode in modes),
                "modes of root, bucket and object: " + ", ".join(f"{mode:04o}" for mode in modes),
            ),
            Finding("what is put comes back", same, f"{len(octets)} octets were put and read"),
            Finding("what is deleted is gone", gone, "the file is gone" if gone else "the file is still there"),
        ]

    def _listed(self, wanted: str | None) -> list[Stored]:
        found = []
        for bucket in self._buckets() if wanted is None else [wanted]:
            for file, status in self._files(bucket):
                if _OBJECT.fullmatch(file) or _TEMPORARY.fullmatch(file):
                    modified = datetime.fromtimestamp(status.st_mtime, UTC)
                    found.append(Stored(f"{bucket}/{file}", status.st_size, modified))
        return found

    def _discard(self, before: float) -> int:
        discarded = 0
        for bucket in ["", *self._buckets()]:
            for file, status in self._files(bucket):
                if file.startswith(".") and status.st_mtime < before:
                    with self._folder(bucket) as folder:
                        _unlink(file, folder)
                    discarded += 1
        return discarded

    def _remove(self, bucket: str) -> None:
        self._durable.discard(bucket)
        try:
            shutil.rmtree(self._root / bucket)
        except FileNotFoundError:
            return
        with self._folder() as root:
            os.fsync(root)

    def _buckets(self) -> list[str]:
        with os.scandir(self._root) as entries:
            return sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) and _BUCKET.fullmatch(e.name))

    def _files(self, bucket: str) -> Iterator[tuple[str, os.stat_result]]:
        try:
            with self._folder(bucket) as folder, os.scandir(folder) as entries:
                for entry in entries:
                    try:
                        if entry.is_file(follow_symlinks=False):
                            yield entry.name, entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
        except FileNotFoundError:
            return


def _parts(name: str, *, half_written: bool = False) -> tuple[str, str]:
    bucket, _, file = name.partition("/")
    good = _OBJECT.fullmatch(file) or (half_written and _TEMPORARY.fullmatch(file))
    _require(_BUCKET.fullmatch(bucket) and good, name)
    return bucket, file


def _require(good: object, name: str) -> None:
    if not good:
        raise ValueError(f"{name[:200]!r} is no name of an object")


def _opened(file: str, mode: str, folder: int) -> BinaryIO:
    def opener(path: str, flags: int) -> int:
        return os.open(path, flags | os.O_NOFOLLOW, 0o600, dir_fd=folder)

    opened: BinaryIO = open(file, mode, opener=opener)  # type: ignore[assignment]  # noqa: SIM115
    return opened


def _linked(octets: BinaryIO, source: Path, file: str, folder: int) -> bool:
    """Give the source a second name, which costs no copy; False where the file systems are not the same."""
    try:
        os.link(source, file, dst_dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    os.fchmod(octets.fileno(), 0o600)
    os.fsync(octets.fileno())
    return True


def _unlink(file: str, folder: int) -> None:
    try:
        os.unlink(file, dir_fd=folder)
    except FileNotFoundError:
        return


@contextmanager
def _failures(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{what}: {error.strerror or type(error).__name__}") from error
