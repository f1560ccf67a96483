"""The signing page's texts and templates: four languages, nothing untranslated, nothing hostile gets through."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from fts.page.render import LANGUAGES, Pages, catalogue
from fts.page.texts import SCRIPT_TEXTS
from fts.page.view import PageView

PAGE = Path(__file__).resolve().parents[3] / "fts" / "page"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}"
VIEW = PageView(
    signing_id="0" * 32,
    reference="0000-0000-0000",
    environment="TA",
    language="en",
    languages=("nl", "fr", "de", "en"),
    relying_party="Town",
    help_address="mailto:help@town.example",
    operator="Operator",
    document_name="contract.pdf",
    kind="pdf",
    media_type="application/pdf",
    are_comments_signed=True,
    pages=3,
    document_size=48_213,
    document_sha256="ab" * 32,
    repaired=("the cross-reference table is broken",),
    earlier_signatures=1,
    level="PAdES LTA",
    deadline=datetime(2026, 11, 24, 17, 5, tzinfo=UTC),
    retention_until=datetime(2026, 11, 29, 17, 5, tzinfo=UTC),
    state="opened",
    version=3,
    card_agent="http://127.0.0.1:1",
)


@pytest.fixture(scope="module")
def pages() -> Pages:
    return Pages(environment="TA", operator="Operator")


def messages() -> set[str]:
    methods = [("**.html", "jinja2")]
    found = extract_from_dir(PAGE / "templates", method_map=methods, options_map={"**.html": {"silent": "false"}})
    return {str(message) for _, _, message, _, _ in found} | set(SCRIPT_TEXTS.values())


@pytest.mark.parametrize("language", ["nl", "fr", "de"])
def test_every_text_is_translated_and_none_is_left_over(language: str) -> None:
    with (PAGE / "locale" / language / "LC_MESSAGES" / "page.po").open("rb") as file:
        texts = {str(message.id): str(message.string) for message in read_po(file, locale=language) if message.id}
    assert set(texts) == messages()
    for source, translated in texts.items():
        assert translated, f"{source} is not translated"
        assert set(re.findall(r"%\(\w+\)s|%s", source)) == set(re.findall(r"%\(\w+\)s|%s", translated))
    assert catalogue(language).gettext("Decline") != "Decline"


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_are_in_their_language(pages: Pages, language: str) -> None:
    for html in (pages.signing(replace(VIEW, language=language)), pages.shell(language, "TA")):
        assert f'<html lang="{language}">' in html
        assert "TA" in html
    production = Pages(environment="PROD", operator="O")
    page = production.signing(replace(VIEW, environment="PROD"))
    assert "TA:" not in page
    for shown in (page, production.shell("fr", "PROD")):
        assert "· PROD</p>" in shown


class Scripts(HTMLParser):
    """Finds what a strict content policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.tags.append(tag)
        if (tag == "script" and "src" not in names) or tag == "style":
            self.refused.append(tag)
        self.refused += [name for name in names if name.startswith("on") or name == "style"]


def test_whatever_a_client_names_its_document_it_is_text(pages: Pages) -> None:
    """Case W-9, and the content policy has nothing to refuse."""
    view = replace(VIEW, document_name=HOSTILE, relying_party=HOSTILE, help_address=HOSTILE, repaired=(HOSTILE,))
    html = pages.signing(view)
    parser = Scripts()
    parser.feed(html)
    assert parser.refused == []
    assert "img" not in parser.tags
    assert "49" not in re.sub(r"[0-9a-f]{12,}", "", html)


def test_a_help_address_is_a_link_only_where_it_is_safe(pages: Pages) -> None:
    assert 'href="mailto:help@town.example"' in pages.signing(VIEW)
    assert 'href="javascript' not in pages.signing(replace(VIEW, help_address="javascript:alert(1)"))


def test_dates_have_their_zone(pages: Pages) -> None:
    assert "24 November 2026" in pages.signing(VIEW)
    assert "17:05:00 UTC" in pages.signing(VIEW)


def test_scripts_find_their_texts(pages: Pages) -> None:
    found = re.search(r'data-texts="([^"]*)"', pages.signing(replace(VIEW, language="fr")))
    assert found is not None
    texts = json.loads(found[1].replace("&#34;", '"').replace("&#39;", "'").replace("&amp;", "&"))
    assert set(texts) == set(SCRIPT_TEXTS)
    sources = "".join(path.read_text() for path in (PAGE / "static").glob("*.js"))
    for name in re.findall(r"texts\.(\w+)", sources):
        assert name in texts


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("fr-BE,fr;q=0.9,nl;q=0.8", "fr"),
        ("ja,de-AT;q=0.3", "de"),
        ("nl;q=0.1,en;q=0.9", "en"),
        ("*;q=x,;,,nl", "nl"),
        ("zz" * 300, "en"),
    ],
)
def test_the_browsers_language_is_taken(pages: Pages, header: str | None, language: str) -> None:
    assert pages.negotiate(header) == language
