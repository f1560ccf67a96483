"""Writes the sample PDFs into a folder: ``python -m tests.samples DIR [--only GROUP ...] [--large]``."""

import argparse
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.samples.damaged import BOMBS, DAMAGED
from tests.samples.found import found_pdfs, produced_pdfs
from tests.samples.signed import SIGNED
from tests.samples.sound import LARGE, SOUND

Makers = Mapping[str, Callable[[], bytes]]

GROUPS: Mapping[str, Makers] = {
    "sound": SOUND,
    "signed": SIGNED,
    "damaged": {name: damage.make for name, damage in DAMAGED.items() if name not in BOMBS},
    "bombs": {name: DAMAGED[name].make for name in sorted(BOMBS)},
    "found": {path.name: path.read_bytes for path in found_pdfs()},
    "produced": produced_pdfs(),
}
"""One folder each."""


def main(arguments: list[str] | None = None) -> int:
    """Writes the groups asked for; 0 if all of it was written."""
    parser = argparse.ArgumentParser(prog="tests.samples", description="Writes sample PDFs into a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=sorted(GROUPS), default=sorted(GROUPS), metavar="GROUP")
    parser.add_argument("--large", action="store_true", help="also the file of 50 MB")
    options = parser.parse_args(arguments)
    logging.getLogger("pyhanko").setLevel(logging.ERROR)
    groups: dict[str, Makers] = {name: GROUPS[name] for name in options.only}
    if options.large:
        groups["large"] = LARGE
    for group, makers in groups.items():
        folder = options.folder / group
        folder.mkdir(parents=True, exist_ok=True)
        total = 0
        for done, (name, make) in enumerate(makers.items(), 1):
            data = make()
            (folder / f"{name.removesuffix('.pdf')}.pdf").write_bytes(data)
            total += len(data)
            _progress(f"{group}: {done}/{len(makers)}")
        _progress(f"{group}: {len(makers)} files, {total:,} bytes\n")
    return 0


def _progress(text: str) -> None:
    if sys.stdout.isatty():
        sys.stdout.write(f"\r{text:60}")
    elif text.endswith("\n"):
        sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
