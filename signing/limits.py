"""Every limit of the signing engine, in one place, with its unit."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what the engine accepts and how long it tries."""

    document_bytes: int = 100 * 1024 * 1024
    """Largest document, in octets."""
    document_objects: int = 1_000_000
    """Largest /Size of a cross-reference table: cost follows objects, not octets."""
    document_pages: int = 20_000
    """Most pages that are walked."""
    page_tree_depth: int = 64
    """Deepest page tree."""
    form_fields: int = 20_000
    """Most form fields that are walked."""
    image_pixels: int = 1_000_000_000
    """Largest image, in pixels."""
    stream_bytes: int = 64 * 1024 * 1024
    """Largest content that one stream, images apart, may expand to, in octets."""
    rewritten_bytes: int = 200 * 1024 * 1024
    """Largest result of a rewrite, in octets."""
    signatures: int = 200
    """Most signatures and timestamps that are read from one document."""
    path_length: int = 8
    """Most certificates in a path, the anchor included."""
    path_candidates: int = 64
    """Most issuer candidates that are tried for one path."""
    ocsp_bytes: int = 64 * 1024
    """Largest OCSP response, in octets."""
    crl_bytes: int = 32 * 1024 * 1024
    """Largest CRL, in octets."""
    timestamp_bytes: int = 8 * 1024
    """Room kept for one timestamp token, in octets."""
    signature_overhead_bytes: int = 2 * 1024
    """Room kept in a signature for all but certificates and timestamp, in octets."""
    clock_skew: timedelta = timedelta(seconds=60)
    """How far another party's clock may run ahead."""
    cache_time: timedelta = timedelta(hours=1)
    """Longest use of a fetched CRL, or OCSP response of a CA, before it is fetched anew."""
    fresh_attempts: int = 3
    """Requests for revocation data that is not older than the signature timestamp."""
    fresh_pause: timedelta = timedelta(seconds=1)
    """Pause between two of them."""
    archive_attempts: int = 3
    """Tokens requested until the archive timestamp's own authority is covered by the validation data."""
    compared_pages: int = 12
    """Most pages that the second reader renders before and after."""
    compared_pixels: int = 120_000
    """Pixels of one rendered page in that comparison."""
    xml_bytes: int = 64 * 1024 * 1024
    """Largest XML document, in octets: its tree takes about 20 times as much."""
    xml_depth: int = 200
    """Deepest nesting of elements."""
    xml_elements: int = 1_000_000
    """Most elements of an XML document."""
    xml_attributes: int = 256
    """Most attributes, and most namespace declarations, of one element."""
    xml_prefixes: int = 1_000
    """Most prefixes of an XML document that is signed: all of them are named in its signature."""
    xml_references: int = 1_000
    """Most references of one signature, those of its manifests included."""
    container_bytes: int = 1024 * 1024 * 1024
    """Most octets of all files in an ASiC container together, uncompressed, and of the container itself."""
    container_work_bytes: int = 8 * 1024 * 1024 * 1024
    """Most octets that are read from the files of one opened container, each reading counted."""
    container_entries: int = 1_000
    """Most entries of a container."""
    container_ratio: int = 100
    """Most octets that one compressed octet of an entry may become."""
    container_ratio_from: int = 1024 * 1024
    """Octets of an entry, uncompressed, up to which its ratio does not matter."""
    container_directory_bytes: int = 1024 * 1024
    """Largest central directory, in octets."""
    container_path_bytes: int = 1024
    """Longest path of an entry, in octets of UTF-8."""
    container_name_bytes: int = 255
    """Longest name of a file or folder in a container, in octets of UTF-8."""
    container_depth: int = 16
    """Most names in the path of an entry."""
    container_xml_bytes: int = 64 * 1024 * 1024
    """Most octets of the signature files and the manifest of a container together."""
    container_token_bytes: int = 1024 * 1024
    """Largest timestamp that is read from a container, in octets."""
    preview_dpi: int = 110
    """Resolution of a page that is shown, in pixels per inch."""
    preview_side: int = 2000
    """Longest side of a page that is shown, in pixels."""
    preview_characters: int = 100_000
    """Most characters of text that are taken from one page."""
    preview_part_lines: int = 400
    """Most lines of one part of a text that is shown."""
    preview_part_characters: int = 40_000
    """Most characters of one part of a text that is shown."""


LIMITS = Limits()
