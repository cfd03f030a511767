"""Real supplier files: exports of shops, databases and spreadsheets from several countries."""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
from typing import Any

import pytest

from importer.pipeline.runner import ImportRunner
from support.files import read_file
from support.jobs import read_products, read_rejects, run_import

# The export of a German ERP system: semicolons, decimal commas, CR LF, Windows-1252.
GERMAN = (
    "Artikel-Nr.;Bezeichnung;Langtext;Preis;Aktiv\r\n"
    '10-001;Schlüsselbrett "Grün";Für die Diele, aus Eiche;12,50;ja\r\n'
    '10-002;"Maßband; 5 m";Länge 5 m, Breite ½";3,95;nein\r\n'
    "10-003;Kühltasche;;1.024,00;ja\r\n"
)
JAPANESE = (
    "商品番号,商品名,商品説明,価格\r\n"
    "A-1001,ソーラーランプ,庭で使える充電式のランプです。,2980\r\n"
    'A-1002,木製の椅子,"表示、能力、ソフトな座面\r\n組立式",12800\r\n'
    "A-1003,ｶｰﾃﾝ ①,,3500\r\n"
)
SHOPIFY = (
    "Handle,Title,Body (HTML),Vendor,Published,Option1 Name,Variant SKU,Variant Price,Image Src,Status\n"
    'lamp,Lamp,"<p>A ""warm"" lamp, for\nthe table</p>",Acme,true,Size,LAMP-S,19.90,https://example.com/1.jpg,active\n'
    "lamp,,,,,,LAMP-L,29.90,,\n"
    "lamp,,,,,,,,https://example.com/2.jpg,\n"
    "chair,Chair,<p>Oak</p>,Acme,false,Title,CHAIR,99.00,,draft\n"
)
WOOCOMMERCE = (
    'ID,Type,SKU,Name,Published,"Is featured?","Visibility in catalog","Short description",Description,"Price"\n'
    '44,simple,woo-tee,"T-Shirt – rouge",1,0,visible,"Court, et simple","Coton ""bio""\\n100 %",18\n'
    "45,simple,woo-cap,Cap,-1,0,visible,,,16\n"
)
# MySQL: SELECT … INTO OUTFILE, and mysql --batch.
MYSQL = (
    'product_code\tproduct_name\tdescription\tprice\nM-1\t19" monitor\t"Full HD" panel\t199.00\nM-2\tCable\t\t5.00\n'
)
MYSQL_QUOTED = (
    '"sku","name","description"\n"M-1","19\\" monitor","C:\\\\new, \\"Full HD\\""\n"M-2","Cable \\\\","two\\\nlines"\n'
)
EXCEL_UNICODE = (
    'Référence\tDésignation\tDescriptif\r\nF-1\tÉtagère\t"Bois\nmassif, ""chêne"""\r\nF-2\tTable d\'appoint\tcôté\r\n'
)

FILES: dict[str, tuple[bytes, dict[str, Any], list[tuple[Any, ...]], list[tuple[int, str]]]] = {
    "German ERP": (
        GERMAN.encode("cp1252"),
        {"encoding": "cp1252", "delimiter": ";", "quote": '"', "unmapped": ["Preis"]},
        [
            ("10-001", 'Schlüsselbrett "Grün"', "Für die Diele, aus Eiche", True),
            ("10-002", "Maßband; 5 m", 'Länge 5 m, Breite ½"', False),
            ("10-003", "Kühltasche", "", True),
        ],
        [],
    ),
    "Japanese": (
        JAPANESE.encode("cp932"),
        {"encoding": "shift_jis", "delimiter": ",", "unmapped": ["価格"]},
        [
            ("A-1001", "ソーラーランプ", "庭で使える充電式のランプです。", True),
            ("A-1002", "木製の椅子", "表示、能力、ソフトな座面\r\n組立式", True),
            ("A-1003", "ｶｰﾃﾝ ①", "", True),
        ],
        [],
    ),
    "Shopify": (
        SHOPIFY.encode(),
        {"encoding": "utf-8", "delimiter": ","},
        [
            ("CHAIR", "Chair", "<p>Oak</p>", False),
            ("LAMP-L", "", "", True),
            ("LAMP-S", "Lamp", '<p>A "warm" lamp, for\nthe table</p>', True),
        ],
        [(5, "missing_sku")],
    ),
    "WooCommerce": (
        codecs.BOM_UTF8 + WOOCOMMERCE.encode(),
        {"encoding": "utf-8-sig", "delimiter": ","},
        [
            ("woo-cap", "Cap", "", False),
            ("woo-tee", "T-Shirt – rouge", 'Coton "bio"\\n100 %', True),
        ],
        [],
    ),
    "MySQL dump": (
        MYSQL.encode(),
        {"encoding": "utf-8", "delimiter": "\t", "quote": "", "unmapped": ["price"]},
        [
            ("M-1", '19" monitor', '"Full HD" panel', True),
            ("M-2", "Cable", "", True),
        ],
        [],
    ),
    "MySQL with escaped quotes": (
        MYSQL_QUOTED.encode(),
        {"delimiter": ",", "quote": '"'},
        [
            ("M-1", '19" monitor', 'C:\\new, "Full HD"', True),
            ("M-2", "Cable \\", "two\\\nlines", True),
        ],
        [],
    ),
    "Excel Unicode text": (
        EXCEL_UNICODE.encode("utf-16"),
        {"encoding": "utf-16", "delimiter": "\t", "quote": '"'},
        [
            ("F-1", "Étagère", 'Bois\nmassif, "chêne"', True),
            ("F-2", "Table d'appoint", "côté", True),
        ],
        [],
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_supplier_files_are_imported_without_options(runner: ImportRunner, kind: str) -> None:
    content, about, products, bad = FILES[kind]
    job = run_import(runner, content)
    assert job["status"] == "completed", job["error_message"]
    assert read_products(runner.database_url) == products
    assert read_rejects(runner.database_url, job) == bad
    assert {name: job["file"][name] for name in about} == about


def create_zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("block", [16, 100, 1 << 20])
@pytest.mark.parametrize("packing", ["none", "gzip", "zip"])
def test_compression_and_blocks_make_no_difference(kind: str, block: int, packing: str) -> None:
    content, about, *_ = FILES[kind]
    packed = {"none": content, "gzip": gzip.compress(content), "zip": create_zip({"export/products.csv": content})}
    read = read_file(packed[packing], block=block)
    plain = read_file(content, use_fast_path=False)
    assert (read.rows, read.rejects) == (plain.rows, plain.rejects)
    assert read.description == {**plain.description, "packing": packing}
    assert {name: read.description[name] for name in about} == about
