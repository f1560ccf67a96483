"""Addresses of services on the command line."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from fts.errors import RefusalError


def check_urls(urls: Iterable[str]) -> None:
    """Check that each is the address of a server.

    Raises:
        RefusalError: URL_INVALID.
    """
    for url in urls:
        try:
            parts = urlsplit(url)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            sound = False
        if not sound or not url.isascii() or not url.isprintable():
            raise RefusalError(
                "URL_INVALID", f"{url!r} is no URL of a server", "Give http://HOST:PORT or https://HOST."
            )
