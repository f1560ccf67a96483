"""Rendering: templates with escaping, texts by gettext, dates and numbers as each language writes them."""

import gettext
import hashlib
import io
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from babel import negotiate_locale
from babel.dates import format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from fts.page.texts import SCRIPT_TEXTS
from fts.page.view import PageView

LANGUAGES: Final[Mapping[str, str]] = {"nl": "Nederlands", "fr": "Français", "de": "Deutsch", "en": "English"}

_PACKAGE: Final = Path(__file__).parent
_DEFAULT: Final = "en"
_DATES: Final = {"en": "en_GB"}
_UNITS: Final = ("B", "kB", "MB")


class Pages:
    """The pages of one gateway."""

    def __init__(self, *, environment: str, operator: str) -> None:
        """Read templates and texts."""
        self._environment_name = environment
        self._operator = operator
        self._versions = {path.name: _version(path) for path in (_PACKAGE / "static").iterdir() if path.is_file()}
        self._templates = {language: self._loaded(language) for language in LANGUAGES}

    def signing(self, view: PageView) -> str:
        """Return the page of a signing."""
        language = view.language if view.language in LANGUAGES else _DEFAULT
        template = self._templates[language].get_template("signing.html")
        return template.render(view=view, environment=view.environment, operator=view.operator, **_common(language))

    def shell(self, language: str, environment: str) -> str:
        """Return the page that opens a session: the same for every link."""
        language = language if language in LANGUAGES else _DEFAULT
        template = self._templates[language].get_template("shell.html")
        return template.render(environment=environment, operator=self._operator, **_common(language))

    def negotiate(self, accept_language: str | None) -> str:
        """Return the language that fits an Accept-Language header best (RFC 9110, clause 12.5.4)."""
        wanted: list[tuple[float, int, str]] = []
        for part in (accept_language or "").split(","):
            tag, _, quality = part.strip().partition(";q=")
            try:
                wanted.append((-float(quality or "1"), len(wanted), tag.replace("-", "_")))
            except ValueError:
                continue
        found = negotiate_locale([tag for _, _, tag in sorted(wanted) if tag], list(LANGUAGES), sep="_")
        return found or _DEFAULT

    def _loaded(self, language: str) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(_PACKAGE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        translations = catalogue(language)
        environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
        texts = {key: translations.gettext(text) for key, text in SCRIPT_TEXTS.items()}
        environment.globals.update(texts=texts, static=self._static)
        environment.filters["moment"] = lambda value: _moment(value, language)
        environment.filters["size"] = lambda value: _size(value, language)
        for name in environment.list_templates():
            environment.get_template(name)
        return environment

    def _static(self, name: str) -> str:
        return f"/static/{name}?v={self._versions[name]}"


def catalogue(language: str) -> gettext.NullTranslations:
    """Return the texts of a language; English ones are in the code."""
    if language == _DEFAULT:
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    with (_PACKAGE / "locale" / language / "LC_MESSAGES" / "page.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def _common(language: str) -> dict[str, object]:
    return {"language": language, "languages": LANGUAGES}


def _version(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _moment(value: datetime, language: str) -> str:
    return format_datetime(value, "long", locale=_DATES.get(language, language))


def _size(octets: int, language: str) -> str:
    value, unit = float(octets), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{format_decimal(value, '#,##0.#' if unit else '#,##0', locale=language)} {_UNITS[unit]}"
