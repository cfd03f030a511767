"""Workbooks for tests: .xlsx by XlsxWriter; small ones of the other kinds by the published descriptions of the formats.

A sheet is a list of rows, and a row a list of values. None is an empty cell.
"""

from __future__ import annotations

import datetime
import io
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

Sheets = Mapping[str, Sequence[Sequence[Any]]]

SECTOR_BYTES = 512
MIN_STREAM_BYTES = 4096
FREE, END_OF_CHAIN, FAT_SECTOR = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def create_xlsx(
    sheets: Sheets, edit: Callable[[xlsxwriter.Workbook], None] = lambda _workbook: None, **options: Any
) -> bytes:
    """Return an .xlsx file. `edit` may change it before it is written."""
    out = io.BytesIO()
    workbook = xlsxwriter.Workbook(out, {"in_memory": True, "default_date_format": "yyyy-mm-dd", **options})
    for name, rows in sheets.items():
        sheet = workbook.add_worksheet(name)
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                _write(sheet, number, column, value)
    edit(workbook)
    workbook.close()
    return out.getvalue()


def _write(sheet: Worksheet, row: int, column: int, value: Any) -> None:
    if isinstance(value, str):
        # Otherwise `=…` would become a formula, and an address a link.
        sheet.write_string(row, column, value)
    elif isinstance(value, (datetime.date, datetime.time)):
        sheet.write_datetime(row, column, value)
    elif value is not None:
        sheet.write(row, column, value)


def create_ods(sheets: Sheets) -> bytes:
    """Return an .ods file of texts, numbers, booleans and dates."""
    tables = "".join(
        f'<table:table table:name="{escape(name)}">'
        + "".join(f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>" for row in rows)
        + "</table:table>"
        for name, rows in sheets.items()
    )
    return wrap_ods(tables)


def wrap_ods(tables: str) -> bytes:
    """Return an .ods file with these elements as its tables."""
    namespace = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content xmlns:office="{namespace}:office:1.0"'
        f' xmlns:table="{namespace}:table:1.0" xmlns:text="{namespace}:text:1.0" office:version="1.2"><office:body>'
        f"<office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"
    )
    manifest = (
        '<?xml version="1.0" encoding="UTF-8"?><manifest:manifest'
        f' xmlns:manifest="{namespace}:manifest:1.0"><manifest:file-entry manifest:full-path="content.xml"'
        ' manifest:media-type="text/xml"/></manifest:manifest>'
    )
    return zip_files(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "content.xml": content,
            "META-INF/manifest.xml": manifest,
        }
    )


def _ods_cell(value: Any) -> str:
    if value is None:
        return "<table:table-cell/>"
    if isinstance(value, bool):
        kind, name, text = "boolean", "boolean-value", str(value).lower()
    elif isinstance(value, (int, float)):
        kind, name, text = "float", "value", repr(value)
    elif isinstance(value, datetime.date):
        kind, name, text = "date", "date-value", value.isoformat()
    else:
        return f'<table:table-cell office:value-type="string"><text:p>{escape(value)}</text:p></table:table-cell>'
    start = f'<table:table-cell office:value-type="{kind}" office:{name}="{text}">'
    return f"{start}<text:p>{text}</text:p></table:table-cell>"


def create_xlsb(sheets: Sheets) -> bytes:
    """Return an .xlsb file ([MS-XLSB]) of texts, numbers and booleans."""
    relationships = "".join(
        f'<Relationship Id="rId{number}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
        f'worksheet" Target="worksheets/sheet{number}.bin"/>'
        for number in range(1, len(sheets) + 1)
    )
    bundle = b"".join(
        _record(156, struct.pack("<LL", 0, number) + _wide(f"rId{number}") + _wide(name))
        for number, name in enumerate(sheets, 1)
    )
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": "<Types/>",
        "xl/workbook.bin": _record(131) + _record(143) + bundle + _record(144) + _record(132),
        "xl/_rels/workbook.bin.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
        f'relationships">{relationships}</Relationships>',
    }
    for number, rows in enumerate(sheets.values(), 1):
        data = b"".join(
            _record(0, struct.pack("<L", row) + bytes(13)) + b"".join(map(_xlsb_cell, range(len(cells)), cells))
            for row, cells in enumerate(rows)
        )
        width = max(map(len, rows), default=1)
        size = struct.pack("<LLLL", 0, max(0, len(rows) - 1), 0, width - 1)
        parts[f"xl/worksheets/sheet{number}.bin"] = (
            _record(129) + _record(148, size) + _record(145) + data + _record(146) + _record(130)
        )
    return zip_files(parts)


def _xlsb_cell(column: int, value: Any) -> bytes:
    place = struct.pack("<LL", column, 0)
    if value is None:
        return _record(1, place)
    if isinstance(value, bool):
        return _record(4, place + bytes([value]))
    if isinstance(value, (int, float)):
        return _record(5, place + struct.pack("<d", value))
    return _record(6, place + _wide(value))


def _record(kind: int, data: bytes = b"") -> bytes:
    numbers = bytes([kind]) if kind < 128 else bytes([kind & 127 | 128, kind >> 7])
    length = len(data)
    while length > 127:
        numbers += bytes([length & 127 | 128])
        length >>= 7
    return numbers + bytes([length]) + data


def _wide(text: str) -> bytes:
    return struct.pack("<L", len(text)) + text.encode("utf-16-le")


def create_xls(sheets: Sheets) -> bytes:
    """Return an .xls file (BIFF8, [MS-XLS]) of texts, numbers and booleans."""
    bodies = [_create_xls_sheet(rows) for rows in sheets.values()]
    names = [name.encode("utf-16-le") for name in sheets]
    start = _biff(0x809, struct.pack("<HHHHLL", 0x600, 5, 0, 0, 0, 0)) + _biff(0x42, struct.pack("<H", 1200))
    offset = len(start) + sum(4 + 8 + len(name) for name in names) + 4
    bounds = b""
    for name, body in zip(names, bodies, strict=True):
        bounds += _biff(0x85, struct.pack("<LBBBB", offset, 0, 0, len(name) // 2, 1) + name)
        offset += len(body)
    return create_ole({"Workbook": start + bounds + _biff(0x0A) + b"".join(bodies)})


def _create_xls_sheet(rows: Sequence[Sequence[Any]]) -> bytes:
    width = max(map(len, rows), default=0)
    body = _biff(0x809, struct.pack("<HHHHLL", 0x600, 0x10, 0, 0, 0, 0))
    body += _biff(0x200, struct.pack("<LLHHH", 0, len(rows), 0, width, 0))
    for row, cells in enumerate(rows):
        for column, value in enumerate(cells):
            place = struct.pack("<HHH", row, column, 0)
            if isinstance(value, bool):
                body += _biff(0x205, place + bytes([value, 0]))
            elif isinstance(value, (int, float)):
                body += _biff(0x203, place + struct.pack("<d", value))
            elif value is not None:
                text = value.encode("utf-16-le")
                body += _biff(0x204, place + struct.pack("<HB", len(text) // 2, 1) + text)
    return body + _biff(0x0A)


def _biff(kind: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def create_ole(streams: Mapping[str, bytes]) -> bytes:
    """Return an OLE compound file ([MS-CFB]) with these streams."""
    sectors: list[bytes] = []
    chains: list[int] = []

    def add(data: bytes) -> int:
        first = len(sectors)
        data += bytes(-len(data) % SECTOR_BYTES)
        count = len(data) // SECTOR_BYTES
        sectors.extend(data[place : place + SECTOR_BYTES] for place in range(0, len(data), SECTOR_BYTES))
        chains.extend([*range(first + 1, first + count), END_OF_CHAIN])
        return first

    entries = [_ole_entry("Root Entry", 5, 1 if streams else FREE, FREE, END_OF_CHAIN, 0)]
    for number, (name, data) in enumerate(streams.items(), 1):
        # Shorter streams would have to be in the stream of small streams.
        data = data.ljust(MIN_STREAM_BYTES, b"\0")
        following = number + 1 if number < len(streams) else FREE
        entries.append(_ole_entry(name, 2, FREE, following, add(data), len(data)))
    directory = add(b"".join(entries))
    fat_sectors = 1
    while fat_sectors * (SECTOR_BYTES // 4) < len(sectors) + fat_sectors:
        fat_sectors += 1
    fat_start = len(sectors)
    fat = [*chains, *[FAT_SECTOR] * fat_sectors]
    fat += [FREE] * (fat_sectors * (SECTOR_BYTES // 4) - len(fat))
    places = [*range(fat_start, fat_start + fat_sectors)]
    header = struct.pack(
        "<8s16sHHHHH6xLLLLLLLLL",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        bytes(16),
        *(0x3E, 3, 0xFFFE, 9, 6),
        *(0, fat_sectors, directory, 0, MIN_STREAM_BYTES, END_OF_CHAIN, 0, END_OF_CHAIN, 0),
    )
    header += struct.pack("<109L", *places, *[FREE] * (109 - len(places)))
    return header + b"".join(sectors) + struct.pack(f"<{len(fat)}L", *fat)


def _ole_entry(name: str, kind: int, child: int, right: int, start: int, size: int) -> bytes:
    text = name.encode("utf-16-le")
    return struct.pack("<64sHBBLLL36xLQ", text, len(text) + 2, kind, 1, FREE, right, child, start, size)


def zip_files(files: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a ZIP archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def edit_parts(workbook: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """Return a workbook whose parts are what `change` makes of their names and contents."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        return zip_files({name: change(name, archive.read(name)) for name in archive.namelist()})
