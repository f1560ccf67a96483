"""The register of processing: FTS-GDPR-4, FTS-GDPR-7."""

import io
import json
import shutil
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
import pytest

from fts.clients.definition import Contact, Definition
from fts.clients.service import Account
from fts.configuration import Configuration
from fts.db.roles import RIGHTS
from fts.db.tables import metadata
from fts.errors import RefusalError
from fts.register.model import DATABASE, People, Register, Staff, SubProcessor, build, load_people
from fts.register.render import markdown, pdf

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
EVIL = "Stad | Gent \\ `x` <b> محكمة 🏛"


def account(client_id: str, name: str, **more: Any) -> Account:
    contact = Contact(name="Duty officer", mail=f"security@{client_id}.example", role="security")
    values = {
        "id": client_id, "name": name, "help_address": "mailto:a@b.example", "contacts": (contact,),
        "bucket": client_id, "agreement": f"FTS-{client_id}", "agreed_on": date(2026, 1, 15),
        "return_urls": ("https://x.example/",), "retention_hours": 48,
    }  # fmt: skip
    return Account(Definition.model_validate(values | more), NOW, NOW, None, None)


def made(places: dict[str, Any] | None = None, **accounts: str) -> Register:
    configuration = Configuration.model_validate(
        {
            **(places or {}),
            "environment": "TA",
            "operator": "Test operator",
            "public_url": "https://x.example",
            "data": "/d",
            "master_key": "/m",
            "trust_anchors": "/t",
            "tsa_url": "http://127.0.0.1:1/",
        }
    )
    known = {client_id: account(client_id, name) for client_id, name in accounts.items()}
    others = People(
        subprocessors=(SubProcessor(name="Example Hosting SA", service="data centre", place="BE", agreement="DPA 1"),),
        staff=(
            Staff(
                name="Duty officer",
                may="fts audit search",
                because="requests of authorities",
                authentication="smart card",
                reviewed_on=date(2026, 11, 2),
            ),
        ),
    )
    return build(configuration, known, dict.fromkeys(known, 2), others, NOW)


def text_of(octets: bytes) -> str:
    with pypdfium2.PdfDocument(octets) as document:
        pages = []
        for page in document:
            drawn = page.get_textpage()
            pages.append(drawn.get_text_range())
            drawn.close()
            page.close()
    return "\n".join(pages)


def test_it_says_what_article_30_asks_for() -> None:
    shown = markdown(made(town="Town of Example", court="Court"))
    for part in (
        "Test operator", "Town of Example (town)", "FTS-court, 2026-01-15", "security@town.example", "48 h",
        "at most 120 h", "ten years", "Example Hosting SA", "Duty officer", "2026-11-02",
        "None: every place is in the EEA", "2026-11-24 08:00 UTC",
    ):  # fmt: skip
        assert part in shown


@pytest.mark.parametrize("places", [{"place": "US"}, {"backup_places": ["BE", "US"]}])
def test_what_is_kept_outside_the_eea_is_said(places: dict[str, Any]) -> None:
    assert "None: every place is in the EEA" in markdown(made())
    register = markdown(made(places))
    assert "None: every place" not in register
    assert "Data is kept in US, outside the EEA" in register


def test_every_table_and_every_role_is_in_it() -> None:
    assert set(DATABASE) == set(metadata.tables), "a table that is not described"
    shown = markdown(made(town="Town"))
    for role in RIGHTS:
        assert f"| {role} |" in shown


def test_names_break_neither_form() -> None:
    register = made(town=EVIL)
    lines = markdown(register).splitlines()
    row = next(line for line in lines if "(town)" in line)
    assert row.replace("\\|", "").count("|") == 7
    assert "Stad" in text_of(pdf(register))


def test_the_pdf_is_sound_and_can_be_navigated(tmp_path: Path) -> None:
    octets = pdf(made(None, **{f"town-{n}": f"Town {n}" for n in range(60)}))
    path = tmp_path / "register.pdf"
    path.write_bytes(octets)
    if shutil.which("qpdf"):
        subprocess.run(["qpdf", "--check", str(path)], check=True, capture_output=True)
    with pikepdf.open(io.BytesIO(octets)) as document:
        assert len(document.pages) > 3
        assert document.Root.Lang == "en"
        with document.open_outline() as outline:
            assert [item.title for item in outline.root][:2] == ["Processor", "Controllers"]
    shown = text_of(octets)
    assert "Town 59" in shown
    assert f"1/{shown.count('Register of processing activities')}" in shown


def test_the_same_input_gives_the_same_document() -> None:
    assert pdf(made(town="Town")) == pdf(made(town="Town"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[[subprocessors]]\nname = "A"\nservice = "s"\nplace = "US"\nagreement = "x"', "EEA"),
        ('[[subprocessors]]\nname = "A"\nservice = "s"\nplace = "Belgium"\nagreement = "x"', "pattern"),
        ("[[subprocessors]]\nname = 1", "string"),
        ('[[staff]]\nname = "A"\nmay = "all"', "required"),
        ("x", "people.toml"),
    ],
)
def test_sub_processors_that_cannot_be(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "people.toml"
    path.write_text(text)
    with pytest.raises(RefusalError, match=fault) as caught:
        load_people(path)
    assert caught.value.code == "PEOPLE_INVALID"
    assert json.dumps(str(caught.value))
