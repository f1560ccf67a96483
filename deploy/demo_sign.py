"""`python -m deploy.demo_sign FILE...`: sign any files with the demo's PKI and card at level LTA, without a question.

NAME.pdf gets a PAdES signature and becomes NAME-signed.pdf. NAME.xml gets an enveloped XAdES signature and becomes
NAME-signed.xml. Any other file goes into a container with its XAdES signature, NAME.asice; a container that is given
gets another signature, NAME-signed.asice. Content decides where the name does not: what begins with %PDF- is PDF, what
begins with an XML declaration is XML. Results are in the output directory (var/signed), beside root.pem, the trust
anchor. A result of an earlier call is replaced; two results of one call never share a name (NAME-2-signed.pdf). A file
that cannot be signed stops no other. Exit status: 0 every file came out at LTA and verified, 1 not all did, 2 wrong
use, 130 interrupted.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.demo_forms import Form, Names, form_of
from deploy.demo_stack import SIGNER, TOKEN_LABEL, DemoStack, DemoStackError, demo_stack
from deploy.demo_token import DemoTokenError
from fts.card import CardSigner, candidates
from fts.commands import run
from fts.errors import CODED_ERRORS, RefusalError, refusal_of
from fts.process_pool import DocumentProcesses
from fts.settings import Settings
from fts.signing_job import Signed, SigningOrder, sign_file
from fts.terminal import printable
from fts.verify_view import utc
from signing.eid.pkcs11 import Pkcs11Card
from signing.ports import Level, Profile

REPOSITORY: Final = Path(__file__).resolve().parents[1]
DEMO: Final = REPOSITORY / "var" / "demo"
SIGNED: Final = REPOSITORY / "var" / "signed"

_PROCESSES: Final = max(2, min(4, os.cpu_count() or 2))


@dataclass(slots=True)
class Tally:
    """How far a call is."""

    total: int
    signed: int = 0
    refused: int = 0
    rewritten: int = 0

    @property
    def done(self) -> int:
        """Files that are through."""
        return self.signed + self.refused


@dataclass(frozen=True, slots=True)
class Batch:
    """One call: what is signed, where the results go, and who hears of it."""

    files: Sequence[Path]
    names: Names
    tally: Tally
    report: Callable[[str], None]

    def signed(self, file: Path, form: Form, result: Signed, *, renamed: bool) -> None:
        """Report a file that came out."""
        self.tally.signed += 1
        remarks = [f"level {result.level}, verified", form.words]
        if result.signed_at is not None:
            remarks.append(utc(result.signed_at))
        if renamed:
            remarks.append("numbered, because another file of this call has the same name")
        if result.rewrite is not None:
            self.tally.rewritten += 1
            remarks.append(f"rewritten first, because damaged: {result.rewrite.findings[0]}")
            remarks.append(f"SHA-256 as given {result.rewrite.original_sha256}")
            remarks.append(f"as signed {result.rewrite.rewritten_sha256}")
        self._line("signed ", f"{file} -> {_short(result.path)} ({'; '.join(remarks)})")

    def refused(self, file: Path, refusal: RefusalError) -> None:
        """Report a file that did not."""
        self.tally.refused += 1
        self._line("refused", f"{file}: {refusal.code}: {refusal}. Remedy: {refusal.remedy}")

    def _line(self, verdict: str, text: str) -> None:
        width = len(str(self.tally.total))
        self.report(f"[{self.tally.done:{width}}/{self.tally.total}] {verdict} {printable(text)}")


def sign_files(files: Sequence[Path], *, demo: Path, output: Path, report: Callable[[str], None]) -> Tally:
    """Sign files; `report` gets a line for each, and a summary.

    Raises:
        DemoStackError, DemoTokenError: the demo cannot be made or served.
        OSError: the output directory cannot be written.
        KeyboardInterrupt: it was interrupted; what was finished stays.
    """
    output.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    tally = Tally(len(files))
    with demo_stack(demo) as stack:
        (output / "root.pem").write_bytes(stack.root_pem)
        run(_sign_all(Batch(files, Names(output), tally, report), stack))
    report(_summary(tally, time.monotonic() - start, output))
    return tally


async def _sign_all(batch: Batch, stack: DemoStack) -> None:
    settings = Settings((stack.pki.root.certificate,), stack.tsa_url, (stack.pki.base_url,))
    processes = min(_PROCESSES, max(1, len(batch.files)))
    async with DocumentProcesses(settings, processes) as pool:
        os.environ.update(stack.token.environment)
        card = Pkcs11Card(stack.token.module, token_label=TOKEN_LABEL)
        try:
            (choice,) = candidates(await card.certificates(), SIGNER)
            signer = CardSigner(card, choice.entry, lambda _question: stack.pin, rsa_pss=False)
            queue = iter(batch.files)
            async with asyncio.TaskGroup() as group:
                for _ in range(processes):
                    group.create_task(_sign_from(queue, batch, pool, signer))
        finally:
            await card.close()


async def _sign_from(queue: Iterator[Path], batch: Batch, pool: DocumentProcesses, signer: CardSigner) -> None:
    """Sign files of a queue, which others take from too, till it is empty."""
    for file in queue:
        try:
            form = form_of(file)
            destination, renamed = batch.names.result_of(file, form)
            order = SigningOrder(
                file,
                destination,
                Profile(Level.LTA),
                replace=True,
                packaging=form.packaging,
                container=form.container,
            )
            async with pool.process() as process:
                result = await sign_file(order, process, signer)
        except CODED_ERRORS as error:
            batch.refused(file, refusal_of(error))
        except Exception as error:  # noqa: BLE001 - one file must not stop the others
            batch.refused(
                file, RefusalError("INTERNAL_ERROR", f"{type(error).__name__}: {error}", "Report this message.")
            )
        else:
            batch.signed(file, form, result, renamed=renamed)


def say(line: str) -> None:
    """Print a line at once; when nobody reads any more, the work goes on in silence."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _summary(tally: Tally, seconds: float, output: Path) -> str:
    parts = [f"{tally.signed} of {tally.total} files signed at {Level.LTA} and verified"]
    if tally.rewritten:
        parts.append(f"{tally.rewritten} of them rewritten first, because damaged")
    if tally.refused:
        parts.append(f"{tally.refused} refused, reasons above")
    parts.append(f"{seconds:.1f} s")
    return f"{'; '.join(parts)}. Results, and root.pem as their trust anchor, are in {printable(_short(output))}"


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _chosen_files(options: argparse.Namespace) -> list[Path]:
    """Return the files of the command line, of a folder and of a list, in this order."""
    files: list[Path] = list(options.files)
    if options.directory is not None:
        files += sorted(
            path for path in options.directory.iterdir() if not path.name.startswith(".") and not path.is_dir()
        )
    if options.files_from is not None:
        lines = os.fsdecode(options.files_from.read_bytes()).split("\n")
        files += [Path(line) for line in lines if line.strip()]
    return files


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.demo_sign",
        description="Sign any files with the demo's PKI and card at level LTA.",
        epilog="NAME.pdf becomes NAME-signed.pdf (PAdES), NAME.xml becomes NAME-signed.xml (XAdES in the XML), any "
        "other file goes with its signature into a container, NAME.asice; a container gets another signature, "
        "NAME-signed.asice. A file without such an ending is told by its content.",
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--dir", type=Path, dest="directory", help="sign the files in this folder, but for hidden ones")
    parser.add_argument("--files-from", type=Path, metavar="LIST", help="sign the files that LIST names, one a line")
    parser.add_argument("--output", type=Path, default=SIGNED, help="where results go (default: var/signed)")
    parser.add_argument("--demo", type=Path, default=DEMO, help="where the demo lives (default: var/demo)")
    options = parser.parse_args(arguments)
    try:
        files = _chosen_files(options)
        if not files:
            parser.error("no files: name some, or give --dir or --files-from")
        tally = sign_files(files, demo=options.demo.resolve(), output=options.output.resolve(), report=say)
    except KeyboardInterrupt:
        print("Stopped; what is listed as signed above is complete.", file=sys.stderr)
        return 130
    except (DemoStackError, DemoTokenError, OSError, *CODED_ERRORS) as error:
        print(f"The demo cannot sign: {printable(_reason(error))}", file=sys.stderr)
        return 1
    return 0 if tally.signed == tally.total else 1


if __name__ == "__main__":
    sys.exit(main())
