"""Workbooks for tests: .xlsx by XlsxWriter; small ones of the other kinds by the published descriptions of the formats.

A sheet is a list of rows, and a row a list of values. None is an empty cell.
"""

from __future__ import annotations

import datetime
import io
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

Sheets = Mapping[str, Sequence[Sequence[Any]]]

# Values of cells beside texts, numbers, booleans and dates.
PADDED_CODE = "00000"
ERROR_CODES = {"#DIV/0!": 0x07, "#REF!": 0x17, "#N/A": 0x2A}
FIRST_CUSTOM_FORMAT, DATE_FORMAT = 164, 14
# The index of each cell style of .xlsb and .xls files, and its number format.
GENERAL_STYLE, PADDED_STYLE, DATE_STYLE = range(3)
STYLE_FORMATS = (0, FIRST_CUSTOM_FORMAT, DATE_FORMAT)


class Padded(NamedTuple):
    """A number with the format `00000`. If it is packed, it is written as Excel writes an integer."""

    number: float
    is_packed: bool = True


class Failure(NamedTuple):
    """A cell with an error, which may be the result of a formula."""

    error: str
    is_formula: bool = False


SECTOR_BYTES = 512
MIN_STREAM_BYTES = 4096
FREE, END_OF_CHAIN, FAT_SECTOR, LIST_SECTOR = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFC
FAT_SECTORS_IN_HEADER = 109


def create_xlsx(
    sheets: Sheets, edit: Callable[[xlsxwriter.Workbook], None] = lambda _workbook: None, **options: Any
) -> bytes:
    """Return an .xlsx file. `edit` may change it before it is written."""
    out = io.BytesIO()
    workbook = xlsxwriter.Workbook(out, {"in_memory": True, "default_date_format": "yyyy-mm-dd", **options})
    padded = workbook.add_format({"num_format": PADDED_CODE})
    for name, rows in sheets.items():
        sheet = workbook.add_worksheet(name)
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                _write(sheet, number, column, value, padded)
    edit(workbook)
    workbook.close()
    return out.getvalue()


def _write(sheet: Worksheet, row: int, column: int, value: Any, padded: Format) -> None:
    if isinstance(value, Padded):
        sheet.write_number(row, column, value.number, padded)
    elif isinstance(value, Failure):
        sheet.write_formula(row, column, "=NA()", None, value.error)
    elif isinstance(value, str):
        # Otherwise `=…` would become a formula, and an address a link.
        sheet.write_string(row, column, value)
    elif isinstance(value, (datetime.date, datetime.time)):
        sheet.write_datetime(row, column, value)
    elif value is not None:
        sheet.write(row, column, value)


ODS_STYLES = (
    '<number:number-style style:name="N1"><number:number number:decimal-places="0" number:min-integer-digits="5"/>'
    '</number:number-style><style:style style:name="padded" style:family="table-cell" style:data-style-name="N1"/>'
)


def create_ods(sheets: Sheets) -> bytes:
    """Return an .ods file of texts, numbers, booleans and dates."""
    tables = "".join(
        f'<table:table table:name="{escape(name)}">'
        + "".join(f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>" for row in rows)
        + "</table:table>"
        for name, rows in sheets.items()
    )
    return wrap_ods(tables)


def wrap_ods(tables: str, styles: str = ODS_STYLES) -> bytes:
    """Return an .ods file with these elements as its tables and its automatic styles."""
    namespace = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content xmlns:office="{namespace}:office:1.0"'
        f' xmlns:table="{namespace}:table:1.0" xmlns:text="{namespace}:text:1.0" xmlns:style="{namespace}:style:1.0"'
        f' xmlns:number="{namespace}:datastyle:1.0"'
        ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0" office:version="1.2">'
        f"<office:automatic-styles>{styles}</office:automatic-styles><office:body>"
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
    if isinstance(value, Padded):
        return (
            f'<table:table-cell table:style-name="padded" office:value-type="float" office:value="{value.number}">'
            f"<text:p>{value.number:05}</text:p></table:table-cell>"
        )
    if isinstance(value, Failure):
        # As LibreOffice and other programs write it.
        kind = "" if value.is_formula else 'calcext:value-type="error"'
        start = f'<table:table-cell table:formula="of:=NA()" office:value-type="string" office:string-value="" {kind}>'
        return f"{start}<text:p>{value.error}</text:p></table:table-cell>"
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
    number_format = struct.pack("<H", FIRST_CUSTOM_FORMAT) + _wide(PADDED_CODE)
    styles = b"".join(_record(47, struct.pack("<HH", 0xFFFF, code) + bytes(12)) for code in STYLE_FORMATS)
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": "<Types/>",
        "xl/styles.bin": b"".join(
            (
                *(_record(278), _record(615, struct.pack("<L", 1)), _record(44, number_format), _record(616)),
                # Styles that cells cannot refer to by their index.
                *(_record(626, struct.pack("<L", 1)), _record(47, bytes(16)), _record(627)),
                *(_record(617, struct.pack("<L", len(STYLE_FORMATS))), styles, _record(618), _record(279)),
            )
        ),
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
    style = PADDED_STYLE if isinstance(value, Padded) else DATE_STYLE if isinstance(value, datetime.date) else 0
    place = struct.pack("<LL", column, style)
    if isinstance(value, Failure):
        code = bytes([ERROR_CODES[value.error]])
        return _record(11, place + code + bytes(10)) if value.is_formula else _record(3, place + code)
    if isinstance(value, Padded) and value.is_packed:
        return _record(2, place + _pack_integer(value.number))
    if isinstance(value, (Padded, datetime.date)):
        return _record(5, place + struct.pack("<d", _to_number(value)))
    if value is None:
        return _record(1, place)
    if isinstance(value, bool):
        return _record(4, place + bytes([value]))
    if isinstance(value, (int, float)):
        return _record(5, place + struct.pack("<d", value))
    return _record(6, place + _wide(value))


def _to_number(value: Padded | datetime.date) -> float:
    return value.number if isinstance(value, Padded) else (value - datetime.date(1899, 12, 30)).days


def _pack_integer(number: float) -> bytes:
    """Return an integer as an RK number."""
    return struct.pack("<L", int(number) << 2 | 2)


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
    code = PADDED_CODE.encode()
    start += _biff(0x41E, struct.pack("<HHB", FIRST_CUSTOM_FORMAT, len(code), 0) + code)
    start += b"".join(_biff(0xE0, struct.pack("<HH", 0, number) + bytes(16)) for number in STYLE_FORMATS)
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
            style = PADDED_STYLE if isinstance(value, Padded) else DATE_STYLE if isinstance(value, datetime.date) else 0
            place = struct.pack("<HHH", row, column, style)
            if isinstance(value, Failure):
                code = ERROR_CODES[value.error]
                if value.is_formula:
                    body += _biff(0x06, place + bytes([2, 0, code, 0, 0, 0, 0xFF, 0xFF]) + bytes(8))
                else:
                    body += _biff(0x205, place + bytes([code, 1]))
            elif isinstance(value, Padded) and value.is_packed:
                body += _biff(0xBD, place + _pack_integer(value.number) + struct.pack("<H", column))
            elif isinstance(value, (Padded, datetime.date)):
                body += _biff(0x203, place + struct.pack("<d", _to_number(value)))
            elif isinstance(value, bool):
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
    # The header lists the first sectors of the table; one further sector lists the others.
    fat_sectors = 1
    while fat_sectors * (SECTOR_BYTES // 4) < len(sectors) + fat_sectors + 1:
        fat_sectors += 1
    fat_start = len(sectors)
    places = [*range(fat_start, fat_start + fat_sectors)]
    further = places[FAT_SECTORS_IN_HEADER:]
    has_list = bool(further)
    fat = [*chains, *[FAT_SECTOR] * fat_sectors, *[LIST_SECTOR] * has_list]
    fat += [FREE] * (fat_sectors * (SECTOR_BYTES // 4) - len(fat))
    list_start = fat_start + fat_sectors if has_list else END_OF_CHAIN
    header = struct.pack(
        "<8s16sHHHHH6xLLLLLLLLL",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        bytes(16),
        *(0x3E, 3, 0xFFFE, 9, 6),
        *(0, fat_sectors, directory, 0, MIN_STREAM_BYTES, END_OF_CHAIN, 0, list_start, int(has_list)),
    )
    header += struct.pack("<109L", *(places + [FREE] * FAT_SECTORS_IN_HEADER)[:FAT_SECTORS_IN_HEADER])
    content = header + b"".join(sectors) + struct.pack(f"<{len(fat)}L", *fat)
    if has_list:
        content += struct.pack("<128L", *(further + [FREE] * 127)[:127], END_OF_CHAIN)
    return content


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
