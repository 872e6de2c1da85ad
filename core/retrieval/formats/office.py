"""Opening Office files (ZIP archives of XML) without letting them unpack beyond bounds."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from core.errors import FileTooLarge, UnreadableFile
from core.files import MEBIBYTE

MAX_UNPACKED_BYTES = 256 * MEBIBYTE
MAX_TREE_BYTES = 64 * MEBIBYTE
"""Of a part that is read as a tree, which takes about 14 times its size in memory."""
MAX_RATIO = 100
"""A sheet of 60,000 equal rows packs 1 : 15, an archive made to overwhelm its reader about 1 : 1000."""
_RATIO_COUNTS_FROM_BYTES = 8 * MEBIBYTE
_MAX_MEMBERS = 10_000
_DOCUMENT_TYPE = tuple("<!DOCTYPE".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))
BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What `zipfile` raises over a damaged archive."""
_OLE = b"\xd0\xcf\x11\xe0"


def open_office(data: bytes, name: str, main_part: str) -> zipfile.ZipFile:
    """The archive, with its main part there and its unpacked size checked.

    Sizes come from the archive's directory; reading a member never gives more than its directory entry says.
    Every XML part is free of document type declarations, and so of entities.

    Raises:
        UnreadableFile: no such archive, encrypted, or without `main_part`.
        FileTooLarge: too many members, too large unpacked, or packed more tightly than documents are.
    """
    if data.startswith(_OLE):
        raise UnreadableFile(
            f"'{name}' is encrypted or in an old Office format.", hint="Save it without a password as .docx or .xlsx."
        )
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except BROKEN_ARCHIVE as error:
        raise UnreadableFile(f"'{name}' is not an Office document, or is broken.", hint="Save it again.") from error
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if len(members) > _MAX_MEMBERS or unpacked > MAX_UNPACKED_BYTES:
        raise FileTooLarge(
            f"'{name}' unpacks to {len(members)} parts and {unpacked / MEBIBYTE:.0f} MiB, "
            f"the limit is {MAX_UNPACKED_BYTES / MEBIBYTE:.0f} MiB.",
            hint="Split the file.",
        )
    if unpacked > _RATIO_COUNTS_FROM_BYTES and unpacked > MAX_RATIO * len(data):
        raise FileTooLarge(
            f"'{name}' unpacks to {unpacked / len(data):.0f} times its size, which documents do not.",
            hint="Save it again from the program that made it.",
        )
    if any(member.flag_bits & 1 for member in members):
        raise UnreadableFile(f"'{name}' is encrypted.", hint="Save a copy without a password.")
    if main_part not in archive.namelist():
        raise UnreadableFile(f"'{name}' lacks '{main_part}': it is another kind of archive.", hint="Check the file.")
    for member in members:
        if member.filename.endswith((".xml", ".rels")):
            _refuse_document_type(archive, member, name)
    return archive


def _refuse_document_type(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> None:
    """Refuse a document type declaration, where entities are defined: the Open Packaging Conventions forbid it."""
    tail = b""
    try:
        with archive.open(member) as stream:
            while block := stream.read(MEBIBYTE):
                if any(mark in tail + block for mark in _DOCUMENT_TYPE):
                    raise UnreadableFile(
                        f"'{member.filename}' of '{name}' declares a document type, which Office files never do.",
                        hint="Do not trust this file; ask for it to be saved again.",
                    )
                tail = block[-64:]
    except BROKEN_ARCHIVE as error:
        raise UnreadableFile(f"'{member.filename}' of '{name}' is broken.", hint="Save the file again.") from error


def read_xml(archive: zipfile.ZipFile, part: str, name: str) -> Element | None:
    """The XML of a part, None where there is no such part."""
    if part not in archive.namelist():
        return None
    size_bytes = archive.getinfo(part).file_size
    if size_bytes > MAX_TREE_BYTES:
        limit = f"the limit is {MAX_TREE_BYTES / MEBIBYTE:.0f} MiB"
        raise FileTooLarge(
            f"'{part}' of '{name}' has {size_bytes / MEBIBYTE:.0f} MiB, {limit}.", hint="Split the file."
        )
    try:
        root: Element = defusedxml.ElementTree.fromstring(archive.read(part), forbid_dtd=True)
    except (ParseError, DefusedXmlException, LookupError, *BROKEN_ARCHIVE) as error:
        raise UnreadableFile(f"'{part}' of '{name}' is not valid XML.", hint="Save it again.") from error
    return root
