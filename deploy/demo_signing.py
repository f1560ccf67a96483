"""`python -m deploy.demo_signing`: sign three documents with the demo's card, verify them, say what is next."""

import argparse
import sys
from pathlib import Path
from typing import Final

from cryptography import x509
from rich.console import Console

from deploy.demo_documents import demo_documents
from deploy.demo_sign import DEMO, REPOSITORY, SIGNED, say, sign_files
from deploy.demo_stack import DemoStackError
from deploy.demo_token import DemoTokenError
from fts.commands import run, verify
from fts.errors import CODED_ERRORS
from fts.settings import Settings
from fts.verify_json import Json
from fts.verify_view import show

DOCUMENTS: Final = REPOSITORY / "var" / "demo-documents"

_NEXT: Final = """
What to try next (all commands from {here}):

  f={first}

  Sign your own files         make sign FILES="one.pdf two.pdf"
                              make sign DIR=folder
  Verify                      make verify FILES=$f
  The same as JSON            .venv/bin/fts verify --json --trust {root} $f
  Change an octet, see it     cp $f /tmp/changed.pdf
                              printf X | dd of=/tmp/changed.pdf bs=1 seek=200 conv=notrunc status=none
                              make verify FILES=/tmp/changed.pdf
  Verify by openssl alone     (head -c {before} $f; tail -c +{after} $f | head -c {rest}) > /tmp/covered
                              tail -c +{hex_start} $f | head -c {hex_length} | tr a-f A-F \\
                                | basenc --base16 -d > /tmp/signature.der
                              openssl cms -verify -inform DER -in /tmp/signature.der -content /tmp/covered \\
                                -binary -purpose any -CAfile {root} -out /dev/null
  Read the trust anchor       openssl x509 -in {root} -noout -text
  Serve OCSP, CRLs and TSA    .venv/bin/python -m deploy.demo_pki serve {pki}

Everything here is for demonstration: TEST certificates, software keys. make clean removes it.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return the exit status."""
    argparse.ArgumentParser(prog="python -m deploy.demo_signing", description=__doc__).parse_args(arguments)
    try:
        return _demonstrate(Console(highlight=False))
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except (DemoStackError, DemoTokenError, OSError, *CODED_ERRORS) as error:
        print(f"The demo cannot run: {error}", file=sys.stderr)
        return 1


def _demonstrate(console: Console) -> int:
    files = _write_documents(DOCUMENTS)
    first_time = "" if DEMO.exists() else " (the first time: making the PKI and the card)"
    print(f"Signing {len(files)} documents with the demo's card{first_time}", flush=True)
    tally = sign_files(files, demo=DEMO, output=SIGNED, report=say)
    if tally.refused:
        return 1
    print("\nVerifying them offline, with root.pem as the only trust anchor\n", flush=True)
    root = SIGNED / "root.pem"
    results: list[Json] = []
    signed = [SIGNED / f"{file.stem}-signed.pdf" for file in files]
    settings = Settings((x509.load_pem_x509_certificate(root.read_bytes()),))
    valid = run(verify([_from_here(file) for file in signed], settings, results.append))
    for result in results:
        show(console, result)
    if not valid:
        return 1
    _, before, resumed, rest = results[0]["signatures"][0]["byte_range"]
    print(
        _NEXT.format(
            here=REPOSITORY,
            first=_from_here(signed[0]),
            root=_from_here(root),
            pki=_from_here(DEMO / "pki"),
            before=before,
            after=resumed + 1,
            rest=rest,
            hex_start=before + 2,
            hex_length=resumed - before - 2,
        )
    )
    return 0


def _write_documents(directory: Path) -> list[Path]:
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for name, content in demo_documents():
        files.append(directory / name)
        files[-1].write_bytes(content)
    return files


def _from_here(path: Path) -> Path:
    return path.relative_to(REPOSITORY)


if __name__ == "__main__":
    sys.exit(main())
