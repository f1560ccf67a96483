# ruff: noqa: ASYNC230 - one request at a time: nothing else waits for the loop of a document process
"""What a document process does for a timestamp on a file: a token, a container, or a timestamp in the PDF.

Each result is verified before it is handed on.
"""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from fts.composition import Composition
from fts.frames import Message
from signing.asic.paths import check_name
from signing.asic.timestamp_container import digest_of, opened_container, write_container
from signing.pades.admit import admit
from signing.pades.release import release_stamped
from signing.pades.stamp import stamp
from signing.ports import ReleaseError
from signing.trust.stamps import request_token
from timestamping.algorithms import DigestAlgorithm
from timestamping.findings import Severity
from timestamping.ports import TimestampInvalidError, Token
from timestamping.verify import verify


async def stamp_file(composition: Composition, message: Message) -> Message:
    """Timestamp the file `document` in the form `form`; the result goes to the new file `output`.

    Raises:
        SigningError, TimestampError: there is no good timestamp in this form.
    """
    algorithm = DigestAlgorithm(message["digest"])
    with ExitStack() as files:
        document = files.enter_context(Path(message["document"]).open("rb"))
        output = files.enter_context(Path(message["output"]).open("x+b"))
        if message["form"] == "pdf":
            result = await _in_pdf(composition, document, output, algorithm)
        else:
            result = await _beside(composition, document, output, algorithm, message)
        output.flush()
        os.fsync(output.fileno())
        output.seek(0)
        return {
            **result,
            "size": os.fstat(output.fileno()).st_size,
            "sha256": digest_of(output, DigestAlgorithm.SHA256).hex(),
        }


async def _in_pdf(
    composition: Composition, document: BinaryIO, output: BinaryIO, algorithm: DigestAlgorithm
) -> Message:
    admitted = admit(document, allow_rewrite=False)
    archived = await stamp(
        admitted.stream,
        output,
        algorithm,
        engine=composition.engine,
        timestamps=composition.timestamps,
        clock=composition.clock,
    )
    composition.announce("check")
    report = release_stamped(admitted.stream, output, composition.anchors, clock=composition.clock)
    newest = max(report.archive_timestamps, key=lambda found: found.byte_range or (0, 0, 0, 0))
    return {"gen_time": archived.gen_time.isoformat(), "authority": newest.authority, "serial_number": None}


async def _beside(
    composition: Composition, document: BinaryIO, output: BinaryIO, algorithm: DigestAlgorithm, message: Message
) -> Message:
    contained = message["form"] == "asic-s"
    if contained:
        check_name(message["name"])
    digest = digest_of(document, algorithm)
    token = await request_token(composition.timestamps, digest, algorithm, composition.clock)
    _check(composition, token.der, algorithm, digest)
    if contained:
        write_container(document, message["name"], token.der, token.gen_time, output)
        _check_container(composition, output, algorithm, message["name"])
    else:
        output.write(token.der)
    return _described(token)


def _check(composition: Composition, token: bytes, algorithm: DigestAlgorithm, digest: bytes) -> None:
    report = verify(
        token, clock=composition.clock, digests={algorithm: digest}, anchors=composition.anchors.certificates
    )
    if not report.valid:
        faults = "; ".join(f.message for f in report.findings if f.severity is Severity.INVALID)
        party = composition.timestamps.name
        raise TimestampInvalidError(f"the token did not pass the verification: {faults}", party=party)


def _check_container(composition: Composition, output: BinaryIO, algorithm: DigestAlgorithm, name: str) -> None:
    """Read the container as a stranger would, and verify the token over the file in it."""
    output.flush()
    with opened_container(output) as (found, file, token):
        if found != name:
            raise ReleaseError("the container holds another file")
        _check(composition, token, algorithm, digest_of(file, algorithm))


def _described(token: Token) -> Message:
    return {
        "gen_time": token.gen_time.isoformat(),
        "authority": token.tsu_certificate.subject.rfc4514_string(),
        "serial_number": f"{token.serial_number:x}",
    }
