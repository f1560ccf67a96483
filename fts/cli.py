"""The command line: `fts sign`, `extend`, `verify`, `certificates`, and the gateway's own (`fts.gateway_cli`).

Exit status: 0 done (for `verify`: every file is valid), 1 refused, 2 wrong use, 130 interrupted. A refusal is two lines
on standard error: `CODE: message` and `Remedy: what to do`. Results go to standard output.
"""

import json
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fts import commands
from fts.card_view import choices_json, show_choices
from fts.errors import RefusalError
from fts.exits import REFUSED, WRONG_USE, fail, refused_as
from fts.extend_command import extend_command
from fts.gateway_cli import gateway
from fts.service_urls import check_urls
from fts.settings import Settings
from fts.signing_job import Signed, SigningOrder, check_order
from fts.terminal import check_terminal, printable
from fts.timestamps.commands import timestamp
from fts.trust_files import load_trust_files
from fts.tsa.commands import tsa_command
from fts.verify_json import Json
from fts.verify_view import show, utc
from signing.asic.ports import Container
from signing.eid.pkcs11 import Pkcs11Card
from signing.ports import Level, Profile
from signing.xades.ports import Packaging
from timestamping.algorithms import DigestAlgorithm

application = typer.Typer(
    name="fts",
    help="Electronic signatures in PDF, XML and any files: with a card here, or through the gateway in the browser.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class ProfileName(StrEnum):
    """Baseline profiles of ETSI EN 319 142-1 (PDF), EN 319 132-1 (XML, and any file) and EN 319 162-1 (any files)."""

    PADES_B = "PADES_B"
    PADES_T = "PADES_T"
    PADES_LT = "PADES_LT"
    PADES_LTA = "PADES_LTA"
    XADES_B = "XADES_B"
    XADES_T = "XADES_T"
    XADES_LT = "XADES_LT"
    XADES_LTA = "XADES_LTA"
    ASIC_E_XADES_B = "ASIC_E_XADES_B"
    ASIC_E_XADES_T = "ASIC_E_XADES_T"
    ASIC_E_XADES_LT = "ASIC_E_XADES_LT"
    ASIC_E_XADES_LTA = "ASIC_E_XADES_LTA"
    ASIC_S_XADES_B = "ASIC_S_XADES_B"
    ASIC_S_XADES_T = "ASIC_S_XADES_T"
    ASIC_S_XADES_LT = "ASIC_S_XADES_LT"
    ASIC_S_XADES_LTA = "ASIC_S_XADES_LTA"

    @property
    def level(self) -> Level:
        """The level that the profile reaches."""
        return Level(self.value.rpartition("_")[2])

    @property
    def container(self) -> Container | None:
        """The container that is made, None for other profiles."""
        return next((each for each in Container if self.value.startswith(each.name)), None)

    @property
    def is_xades(self) -> bool:
        """Whether it is a profile of XAdES."""
        return self.value.startswith("XADES_")


class PackagingName(StrEnum):
    """Where a XAdES signature stands to the files that it signs."""

    ENVELOPED = "enveloped"
    ENVELOPING = "enveloping"
    DETACHED = "detached"
    MANIFEST = "manifest"
    INTERNALLY_DETACHED = "internally-detached"


application.command("extend")(extend_command)
application.add_typer(gateway)
application.add_typer(timestamp, name="timestamp")
application.command("tsa")(tsa_command)

Module = Annotated[Path, typer.Option("--module", help="PKCS#11 module of the card (a shared library).")]
Token = Annotated[str | None, typer.Option("--token", help="Label of the token, where several cards are present.")]
Trust = Annotated[
    list[Path],
    typer.Option("--trust", help="Certificate of a trusted root, PEM or DER; repeat it for several files."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@application.command("sign")
def sign_command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="IN... OUT",
            readable=False,
            help="The document, which is never changed, and where the signed one goes. With ASIC_E, and with XADES but "
            "for enveloped, any number of files; with ASIC also a container, which gets another signature.",
        ),
    ],
    module: Module,
    trust: Trust,
    profile: Annotated[ProfileName, typer.Option(help="What is made.")] = ProfileName.PADES_LTA,
    packaging: Annotated[
        PackagingName,
        typer.Option(
            help="With XADES: into the XML; around any files; a signature file beside any files, which it names itself "
            "or in a list; or beside several XML documents in one."
        ),
    ] = PackagingName.ENVELOPED,
    digest: Annotated[
        DigestAlgorithm | None, typer.Option(help="Digest of the signature; else the profile's.", show_default=False)
    ] = None,
    archive_digest: Annotated[
        DigestAlgorithm | None,
        typer.Option(help="Digest of the archive timestamp; else the profile's.", show_default=False),
    ] = None,
    pss: Annotated[bool, typer.Option("--pss", help="RSASSA-PSS instead of PKCS#1 v1.5, with an RSA key.")] = False,
    certificate: Annotated[
        str | None,
        typer.Option(help="Label of the certificate, or part of its label or subject; needed where several can sign."),
    ] = None,
    token: Token = None,
    tsa: Annotated[
        str | None, typer.Option(help="URL of the timestamping authority (RFC 3161); needed but for level B.")
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="URL whose host and port may be asked although internal: http://127.0.0.1:PORT; repeatable."),
    ] = None,
    no_repair: Annotated[
        bool, typer.Option("--no-repair", help="Refuse a damaged document instead of rewriting it first.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
    pin_stdin: Annotated[
        bool, typer.Option("--pin-stdin", help="Read the PIN from the first line of standard input, without asking.")
    ] = False,
) -> None:
    """Sign a PDF with a card, XML or any file with a profile of XAdES, or any files in a container with ASIC.

    The PIN is asked on the terminal, for each signature anew.

    Exit status: 0 signed and checked, 1 refused and nothing written, 2 wrong use, 130 interrupted.
    """
    from fts.profiles.registry import named  # noqa: PLC0415 - it takes its time, which other commands need not wait

    asked = refused_as(WRONG_USE, partial(named, profile.value)).engine_profile
    document, beside, destination = refused_as(WRONG_USE, partial(_places, paths, profile, packaging))
    if profile.level is not Level.B and tsa is None:
        fail(
            RefusalError("TSA_MISSING", f"{profile} needs a timestamping authority", "Give its URL: --tsa."), WRONG_USE
        )
    refused_as(WRONG_USE, partial(check_urls, (*(allow_host or ()), *([tsa] if tsa else []))))
    if not pin_stdin:
        refused_as(WRONG_USE, check_terminal)
    settings = Settings(
        anchors=tuple(refused_as(WRONG_USE, partial(load_trust_files, trust))),
        tsa_url=tsa,
        allowed_urls=tuple(allow_host or ()),
    )
    order = SigningOrder(
        document=document,
        destination=destination,
        profile=Profile(asked.level, digest or asked.digest, archive_digest or asked.archive_digest, pss),
        replace=force,
        allow_rewrite=not no_repair,
        packaging=Packaging(packaging.value) if profile.is_xades else None,
        container=profile.container,
        beside=beside,
    )

    def work() -> Signed:
        check_order(order)
        card = Pkcs11Card(module, token_label=token)
        return commands.run(commands.sign(order, settings, card, certificate, pin_stdin=pin_stdin))

    try:
        signed = refused_as(REFUSED, work)
    except commands.ChoiceNeededError as error:
        show_choices(Console(stderr=True, highlight=False), error.choices)
        fail(RefusalError("CERTIFICATE_CHOICE", str(error), "Name one of these with --certificate."), WRONG_USE)
    _show_signed(signed, "PAdES" if profile.container is None and not profile.is_xades else "XAdES")


@application.command("verify")
def verify_command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", readable=False, help="Signed PDF or XML documents, signature files, or ASiC containers."
        ),
    ],
    trust: Trust,
    as_json: AsJson = False,
) -> None:
    """Verify the signatures of documents offline.

    Documents that a signature file names are looked for beside it.

    Exit status: 0 every document is valid, 1 one is not, carries no signature, or cannot be read, 2 wrong use, or a
    root that cannot be read, 130 interrupted.
    """
    settings = Settings(tuple(refused_as(WRONG_USE, partial(load_trust_files, trust))))
    console = Console(highlight=False)
    results: list[Json] = []
    take = results.append if as_json else partial(show, console)
    valid = refused_as(REFUSED, lambda: commands.run(commands.verify(files, settings, take)))
    if as_json:
        typer.echo(json.dumps({"valid": valid, "files": results}, indent=2))
    if not valid:
        raise typer.Exit(REFUSED)


@application.command("certificates")
def certificates_command(module: Module, token: Token = None, as_json: AsJson = False) -> None:
    """List the certificates of a card; no PIN is needed."""
    card = Pkcs11Card(module, token_label=token)
    choices = refused_as(REFUSED, lambda: commands.run(commands.certificates(card)))
    if as_json:
        typer.echo(json.dumps(choices_json(choices), indent=2))
    else:
        show_choices(Console(highlight=False), choices)


def main() -> None:
    """Run the command line."""
    application()


def _places(paths: list[Path], profile: ProfileName, packaging: PackagingName) -> tuple[Path, tuple[Path, ...], Path]:
    """Return the document, further files, and where the result goes."""
    if len(paths) < 2:
        raise RefusalError("OUTPUT_MISSING", "there is no OUT", "Give the document and where the signed one goes.")
    document, *beside, destination = paths
    takes_many = profile.is_xades and packaging is not PackagingName.ENVELOPED
    if beside and not takes_many and profile.container is not Container.ASIC_E:
        raise RefusalError(
            "TOO_MANY_DOCUMENTS",
            f"{profile}{f' {packaging}' if profile.is_xades else ''} takes one document",
            "Sign one at a time, or use ASIC_E_XADES_LTA, or XADES_LTA with --packaging detached.",
        )
    return document, tuple(beside), destination


def _show_signed(signed: Signed, form: str) -> None:
    typer.echo(f"Signed: {printable(str(signed.path))}")
    typer.echo(f"Level: {form} baseline {signed.level}")
    typer.echo(f"Timestamp: {utc(signed.signed_at)}" if signed.signed_at else "Timestamp: none at this level")
    typer.echo(f"SHA-256: {signed.sha256}")
    if signed.rewrite is not None:
        typer.echo("The document was damaged and was rewritten before it was signed.")
        typer.echo(f"  SHA-256 of the document as given: {signed.rewrite.original_sha256}")
        typer.echo(f"  SHA-256 of what was signed: {signed.rewrite.rewritten_sha256}")
        for finding in signed.rewrite.findings:
            typer.echo(f"  Finding: {printable(finding)}")


if __name__ == "__main__":
    main()
