"""Columns are mapped by the names that suppliers use, and by given and saved mappings."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.columns.column_mapping import FIELDS, HEADER_NAMES, column_names, header_key, map_columns, normalise
from importer.columns.product_file import FileOptions
from importer.errors import UnusableFile
from support.files import read_file


@pytest.mark.parametrize(
    "header",
    [
        ["Item no.", "Product Name", "Long description", "Enabled"],
        ["ARTIKEL-NR.", "Bezeichnung", "Langtext", "aktiv"],
        ["Référence", "Désignation", "Descriptif", "Publié"],
        ["REFERENCE", "DESIGNATION", "descriptif", "PUBLIE"],
        ["Código", "Nombre", "Descripción", "Activo"],
        ["Codice articolo", "Nome", "Descrizione", "Attivo"],
        ["Artikelnummer", "Productnaam", "Omschrijving", "Actief"],
        ["Código do produto", "Nome do produto", "Descrição", "Ativo"],
        ["Artnr", "Benämning", "Beskrivning", "Publicerad"],
        ["Numer artykułu", "Nazwa", "Opis", "Aktywny"],
        ["numer_artykulu", "nazwa_produktu", "opis", "aktywny"],
        ["商品コード", "商品名", "商品説明", "公開"],
        ["商品编号", "产品名称", "描述", "状态"],
        ["상품코드", "상품명", "상품설명", "상태"],
        ["Артикул", "Наименование", "Описание", "Статус"],
        ["Κωδικός", "Όνομα", "Περιγραφή", "Ενεργό"],
        ["Variant SKU", "Title", "Body (HTML)", "Status"],
        ["part_number", "itemName", "product description", "Is Active?"],
    ],
)
def test_column_names_are_known_in_many_languages(header: list[str]) -> None:
    assert map_columns(header).fields == list(FIELDS)
    rows = "\n".join([";".join(header), "1;n;d;1", ""])
    assert read_file(rows.encode()).rows == [("1", "n", "d", "1")]


def test_the_exact_name_wins_then_the_earlier_name_of_the_list() -> None:
    assert map_columns(["Item no.", " SKU ", "Title", "Name"]).fields == [None, "sku", None, "name"]
    assert map_columns(["Code", "Reference", "Item number"]).fields == [None, None, "sku"]
    assert map_columns(["Published", "Status", "sku"]).fields == [None, "active", "sku"]
    about = read_file(b"Code,Item number,Title,Price\n1,2,3,4\n").description
    assert about["unmapped"] == ["Code", "Price"]


def test_names_are_compared_by_their_letters_and_digits() -> None:
    assert normalise(" Item_No. ") == normalise("ITEM-NO") == normalise("itemNo") == "itemno"
    assert normalise("Nº d\u2019Artículo") == normalise("No D'ARTICULO")
    assert normalise("Straße Łódź Køb") == "strasselodzkob"
    assert normalise("ハコ") != normalise("バコ")
    assert normalise("ＳＫＵ") == "sku"
    assert normalise("?!") == ""


def test_every_name_of_the_list_means_one_field() -> None:
    fields: dict[str, str] = {}
    for field, names in HEADER_NAMES.items():
        for name in names:
            assert name
            assert fields.setdefault(name, field) == field


def test_a_mapping_overrides_names() -> None:
    header = ["sku", "Item no.", "Name", "Title", "Text"]
    assert map_columns(header, {"Item no.": "sku"}).fields == [None, "sku", "name", None, None]
    assert map_columns(header, {"Name": None, "Text": "description"}).fields == [
        "sku",
        None,
        None,
        "name",
        "description",
    ]
    assert map_columns(header, {" TITLE": "name"}).fields == ["sku", None, None, "name", None]
    # The exact name takes precedence over the same name in another case.
    assert map_columns(["Id", "ID", "id"], {"ID": "sku"}).fields == [None, "sku", None]
    assert map_columns(["sku", "sku", "No"], {"No": "sku"}).problem is None
    read = read_file(b"a;b;c\n1;2;3\n", FileOptions(mapping={"c": "sku", "a": "name", "b": None}))
    assert (read.fields, read.rows) == (["name", "sku"], [("1", "3")])


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"price": "sku"}, "a column `price`, which the file does not have"),
        ({"x": "price"}, "a field `price`. The fields are sku, name, description, active"),
        ({"x": "name", "y": "name"}, "gives the field `name` to more than one column"),
        ({"z": "name"}, "the column `z`, and the file has 2 of that name. Choose one: `z (1)`, `z (2)` …"),
        ({"x": "name", " X ": None}, "the column `x` twice"),
        ({"sku": None}, "no column `sku`. Its columns are: `sku`, `x`, `y`, `z`, `z`"),
        ({"sku": "name"}, "no column `sku`"),
        ({"a\0\n" * 50: "sku"}, "a column `a"),
    ],
)
def test_a_mapping_that_does_not_fit_gives_a_sentence(mapping: dict[str, str | None], message: str) -> None:
    with pytest.raises(UnusableFile, match=re.escape(message)) as failure:
        read_file(b"sku,x,y,z,z\n1,2,3,4,5\n", FileOptions(mapping=mapping))
    assert "\n" not in str(failure.value)
    assert "\0" not in str(failure.value)


def test_two_columns_with_one_name_can_be_left_out() -> None:
    assert map_columns(["sku", "z", "z"], {"z": None}).problem is None


def test_columns_with_the_same_name_are_numbered() -> None:
    header = ["sku", "Name", "Name", "", "Name (2)", ""]
    assert column_names(header) == ["sku", "Name (1)", "Name (3)", "(no name) (1)", "Name (2)", "(no name) (2)"]
    ambiguous = map_columns(header)
    assert (ambiguous.fields[1:3], str(ambiguous.problem)) == (
        [None, None],
        "The file has 2 columns named `Name`. Keep one, or choose one with a mapping.",
    )
    mapping = {"name (3)": "name", "(no name) (2)": "description"}
    assert map_columns(header, mapping).fields == ["sku", None, "name", None, None, "description"]
    read = read_file(b"sku,Name,name,name\nA,1,2,3\n", FileOptions(mapping={"name (2)": "name"}))
    assert (read.rows, read.description["unmapped"]) == ([("A", "3")], ["Name", "name (1)"])
    # Such a mapping also helps to find the delimiter, and the reject file, which has these names, is the same table.
    read = read_file(b"x,y;x,y\n1;2\n", FileOptions(mapping={"x,y (2)": "sku"}))
    assert (read.description["delimiter"], read.rows) == (";", [("2",)])
    assert header_key(header) == header_key(column_names(header))


@given(st.lists(st.sampled_from(["", "a", "A", "a (1)", "a (2)", "(no name)", "(no name) (1)", "\0"]), max_size=9))
def test_all_column_names_are_different(header: list[str]) -> None:
    names = column_names(header)
    assert len(set(names)) == len(names) == len(header)
    assert column_names(names) == names
    assert map_columns(header, dict.fromkeys(names)).fields == [None] * len(header)


def test_a_saved_mapping_applies_if_it_fits_and_a_given_one_overrides_it() -> None:
    content = b"No;Text;Other\n1;2;3\n"
    remembered = {"No": "sku", "Text": "name", "Other": None}
    read = read_file(content, saved_mapping=remembered)
    assert (read.fields, read.description["remembered"]) == (["sku", "name"], True)
    read = read_file(content, FileOptions(mapping={"Other": "sku"}), saved_mapping=remembered)
    assert (read.fields, read.rows, read.description["remembered"]) == (["name", "sku"], [("2", "3")], False)
    read = read_file(b"sku;Text\n1;2\n", saved_mapping=remembered)
    assert (read.fields, read.description["remembered"]) == (["sku"], False)


def test_a_mapping_that_was_saved_for_a_reject_file_applies_to_the_original_header() -> None:
    remembered = {"No": "sku", "Text": "name", "line": None, "code": None, "message": None}
    for header in (["No", "Text"], ["No", "Text", "line", "code", "message"]):
        mapping = map_columns(header, saved=remembered)
        assert (mapping.fields[:2], mapping.is_saved) == (["sku", "name"], True)
    # A column of the file itself may have such a name.
    assert map_columns(["code", "No"], saved={"code": None, "No": "sku"}).fields == [None, "sku"]
    assert not map_columns(["No"], saved={"No": "sku", "Price": None}).is_saved


def test_several_columns_of_one_name_are_left_out_and_the_others_stay_mapped() -> None:
    assert map_columns(["No", "Note", "Note"], {"No": "sku", "Note": None}).fields == ["sku", None, None]


def test_the_message_about_a_missing_sku_column_lists_the_columns() -> None:
    end = "Name the column with the SKUs `sku`, or choose it with a mapping."
    few, many = ["a", ""], [f"c{number}" for number in range(1008)]
    assert str(map_columns(few).problem) == f"The file has no column `sku`. Its columns are: `a`, (empty). {end}"
    first = ", ".join(f"`{name}`" for name in many[:8])
    problem = f"The file has no column `sku`. Its columns are: {first} and 1,000 more. {end}"
    assert str(map_columns(many).problem) == problem


def test_equivalent_headers_have_the_same_key() -> None:
    key = header_key(["Artikel-Nr.", "Größe"])
    assert key == header_key(["ARTIKEL NR", "grösse", "line", "code", "message"])
    assert key != header_key(["Größe", "Artikel-Nr."])
    assert key != header_key(["Artikel-Nr.", "Größe", "Preis"])


@given(st.lists(st.text() | st.sampled_from(["sku", "Name", "Item no.", "code"]), min_size=1, max_size=6), st.data())
def test_every_field_is_mapped_at_most_once(header: list[str], data: st.DataObject) -> None:
    fields = st.none() | st.sampled_from([*FIELDS, "price"])
    mapping = data.draw(st.dictionaries(st.sampled_from(header) | st.text(max_size=3), fields, max_size=3))
    remembered = data.draw(st.dictionaries(st.sampled_from(header), fields, max_size=3))
    matched = map_columns(header, mapping, remembered)
    given_fields = [field for field in matched.fields if field]
    assert len(given_fields) == len(set(given_fields))
    assert len(matched.fields) == len(header)
    assert (matched.problem is None) <= ("sku" in given_fields)
    header_key(header).encode()
