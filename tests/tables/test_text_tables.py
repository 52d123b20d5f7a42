"""Text tables as databases, spreadsheets, R, TOPCAT, the CDS and people write them."""

import gzip
import time
import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from xdgmm import InputError
from xdgmm.errors import XdgmmWarning
from xdgmm.tables import observations_from_table, read_table

VALUES, ERRORS = [44.72, -44.12, 43.24, 47.54], [1.41, 0.65, 0.87, 0.78]
NAMES = ["S 0", "S 1", "S 2", "S 3"]


def rows(form):
    """A line for each star, from a form such as '{name},{v},{e}'."""
    numbers = zip(NAMES, VALUES, ERRORS, strict=True)
    return "".join(f"{form}\n".format(i=i + 1, name=n, id=f"S{i}", v=v, e=e) for i, (n, v, e) in enumerate(numbers))


def written(folder, text, name="t.txt", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def check(path, unit=None, n_more=0):
    """The stars are found in a file, with nothing behind them but `n_more` missing values."""
    table = read_table(path)
    observations = observations_from_table(table, "v", on_bad="missing")
    assert observations.values[:4, 0].tolist() == VALUES
    assert observations.noise[:4, 0].tolist() == ERRORS
    assert np.isnan(observations.values[4:, 0]).tolist() == [True] * n_more
    assert observations.units == (unit,)
    return table


RULE = "+------+-------+-----+\n"
BARS = RULE + "| name |   v   | e_v |\n" + RULE + rows("| {name} | {v} | {e} |") + RULE
REST = "====== ====== ======\n"
FORMS = {
    "bars": "|name|v|e_v|\n" + rows("|{name}|{v}|{e}|"),
    "bars before cells": " |name|v|e_v\n|----|---|---\n" + rows("|{name}|{v}|{e}"),
    "RDB": "# made by hand\nname\tv\te_v\nS\t6N\tN\n" + rows("{name}\t{v}\t{e}"),
    "a comment of names of one letter": "# one other comment\n# a v e_v\n" + rows("{id} {v} {e}"),
    "markdown": "| name | v | e_v |\n|:-----|----:|-----|\n" + rows("| {name} | {v} | {e} |"),
    "org": "| name | v | e_v |\n|------+---+-----|\n" + rows("| {name} | {v} | {e} |"),
    "MySQL, TOPCAT's text": BARS,
    "psql": " name |   v   | e_v \n------+-------+-----\n" + rows(" {name} | {v} | {e}") + "(4 rows)\n\n",
    "psql, border 2": BARS + "(4 rows)\n",
    "psql, unaligned": "name|v|e_v\n" + rows("{name}|{v}|{e}") + "(4 rows)\n",
    "psql, only numbers": "v|e_v\n" + rows("{v}|{e}") + "(4 rows)\n",
    "sqlite": "name|v|e_v\n" + rows("{name}|{v}|{e}"),
    "R, write.table": '"name" "v" "e_v"\n' + rows('"{i}" "{name}" {v} {e}'),
    "R, named rows": '"v" "e_v"\n' + rows('"{name}" {v} {e}'),
    "R, without quotes": "name v e_v\n" + rows("{i} {id} {v} {e}"),
    "R, sep=','": '"name","v","e_v"\n' + rows('"{i}","{name}",{v},{e}'),
    "R, write.csv": '"","name","v","e_v"\n' + rows('"{i}","{name}",{v},{e}'),
    "R, tabs": "name\tv\te_v\n" + rows("{i}\t{name}\t{v}\t{e}"),
    "pandas": ",name,v,e_v\n" + rows("{i},{name},{v},{e}"),
    "TOPCAT's ASCII": "# name   v     e_v\n" + rows('  "{name}" {v} {e}'),
    "commas at the ends": "name,v,e_v\n" + rows("{name},{v},{e},"),
    "commas at all ends": "name,v,e_v,\n" + rows("{name},{v},{e},"),
    "tabs at the ends": "name\tv\te_v\n" + rows("{name}\t{v}\t{e}\t"),
    "bars at the ends": "name|v|e_v|\n" + rows("{name}|{v}|{e}|"),
    "HyperLEDA, !": "# query\nname!v!e_v\n" + rows("{name}!{v}!{e}"),
    "HyperLEDA, dashes": "name !v    !e_v !\n-----!-----!----!\n" + rows("{name} ! {v} ! {e} !"),
    "HyperLEDA, !!": "# query\nname!!v!!e_v\n" + rows("{name}!!{v}!!{e}"),
    "comments with !": "! made\n! name v e_v\n" + rows("{id} {v} {e}"),
    "comments with !!": "!! made\n!! name v e_v\n" + rows("{id} {v} {e}"),
    "comments with # and !!": "# made\n!! name v e_v\n" + rows("{id} {v} {e}"),
    "comments with !! before names": "!! made\nname v e_v\n" + rows("{id} {v} {e}"),
    "comments with # and !! before names": "# made\n!! by hand\nname|v|e_v\n" + rows("{id}|{v}|{e}"),
    "comments with %": "% name v e_v\n" + rows("{id} {v} {e}"),
    "several comments": "# made by hand, on a Monday\n# name v e_v\n" + rows("{id} {v} {e}"),
    "a comment, commas": "#name,v,e_v\n" + rows("{name},{v},{e}"),
    "Fortran": "name v e_v\n" + rows("{id} {v}D+00 {e}d0"),
    "SExtractor": "# 1 name the star\n# 2 v velocity\n# 3 e_v error\n" + rows("{id} {v} {e}"),
    "LaTeX": "\\begin{tabular}{ccc}\nname & v & e_v \\\\\n" + rows("{name} & {v} & {e} \\\\") + "\\end{tabular}\n",
    "reStructuredText": REST + "name   v      e_v   \n" + REST + rows("{id:6} {v:6} {e:6}") + REST,
    "only carriage returns": "name,v,e_v\n".replace("\n", "\r") + rows("{name},{v},{e}").replace("\n", "\r"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["t.txt", "t.csv", "t.dat"])
def test_text_tables_of_many_programs_are_read(tmp_path, form, name):
    check(written(tmp_path, FORMS[form], name))


@pytest.mark.parametrize("form", FORMS)
def test_compressed_text_is_the_same(tmp_path, form):
    check(written(tmp_path, gzip.compress(FORMS[form].encode()), "t.txt.gz"))


IPAC = (
    "\\made by hand\n| name |     v |  e_v |\n| char |double|double|\n|      | km/s | km/s |\n|      | null | null |\n"
)
WITH_UNITS = {
    "a row of units": "name,v,e_v\n,km/s,km/s\n" + rows("{name},{v},{e}"),
    "a row of units, blanks": "name v e_v\n- km/s km/s\n" + rows("{id} {v} {e}"),
    "a row of units, tabs": "name\tv\te_v\n\tkm/s\tkm s-1\n" + rows("{name}\t{v}\t{e}"),
    "units in one column": "name;v;e_v\n;km/s;\n" + rows("{name};{v};{e}"),
    "fixed positions": "name v      e_v  \n     km/s   km/s \n---- ------ -----\n" + rows("{name:4} {v:6} {e:5}"),
    "a row of units in brackets": "name,v,e_v\n,[km/s],(km/s)\n" + rows("{name},{v},{e}"),
    "brackets without blanks": "name,v[km/s],e_v_(km/s)\n" + rows("{name},{v},{e}"),
    "brackets": "name,v [km/s],e_v [km/s]\n" + rows("{name},{v},{e}"),
    "round brackets": "name\tv (km/s)\te_v (km/s)\n" + rows("{name}\t{v}\t{e}"),
    "units in a comment": "# name v e_v\n# - km/s km/s\n" + rows("{id} {v} {e}"),
    "SExtractor": "# 1 name the star\n# 2 v velocity [km/s]\n# 3 e_v error [km/s]\n" + rows("{id} {v} {e}"),
}


@pytest.mark.parametrize("form", WITH_UNITS)
def test_units_of_text_tables_are_units(tmp_path, form):
    check(written(tmp_path, WITH_UNITS[form]), u.km / u.s)


def test_a_column_with_its_unit_in_brackets_is_found_by_both_names(tmp_path):
    table = read_table(written(tmp_path, WITH_UNITS["brackets"]))
    for column, error in (("v", "e_v"), ("v [km/s]", "e_v [km/s]"), ("v [km/s]", "auto")):
        assert observations_from_table(table, column, errors=error).names == ("v",)


@pytest.mark.parametrize(
    "name", ["log(g)", "log g [cm/s2]", "[Fe/H]", "M[Fe/H]", "A(V)", "Q[s]", "v [of stars]", "flux (3)"]
)
def test_brackets_that_hold_no_unit_belong_to_the_name(tmp_path, name):
    table = read_table(written(tmp_path, f"{name},e\n1,2\n3,4\n"))
    assert table.colnames == [name, "e"]
    assert table[name].unit is None


@pytest.mark.parametrize("first", ["12.5,3", "S,3", "m,x", "km/s,3"])
def test_a_first_row_that_is_not_all_units_is_a_row(tmp_path, first):
    assert len(read_table(written(tmp_path, f"a,v,e_v\n{first},1.5\nx,2,0.5\ny,3,0.5\n"))) == 3


WORDS = [
    "null",
    "NULL",
    "NA",
    "N/A",
    "n/a",
    "None",
    "NaN",
    "nan",
    "-",
    "--",
    "---",
    "...",
    "<NA>",
    "#N/A",
    "\\N",
    "INDEF",
    "***",
    "",
]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "!", " "])
def test_words_for_missing_values_are_missing(tmp_path, word, separator):
    if separator == " " and not word:
        word = '""'
    lines = ["name,v,e_v", *rows("{id},{v},{e}").split(), f"S9,{word},0.5", f"S10,{word},{word}"]
    path = written(tmp_path, "\n".join(lines).replace(",", separator))
    table = check(path, n_more=2)
    assert table["name"].tolist()[-1] == "S10"
    remarks = observations_from_table(table, "v").remarks
    assert "2 of 6 values of v missing" in remarks


def test_whole_numbers_stay_whole_beside_words_for_missing_values(tmp_path):
    table = read_table(written(tmp_path, "id,v\n4611686018427387905,1\nNA,2\n"))
    assert table["id"][0] == 4611686018427387905
    assert table["id"].mask.tolist() == [False, True]


def test_words_beside_text_are_text(tmp_path):
    table = read_table(written(tmp_path, "element,v\nFe,1\nNA,2\n-,3\n"))
    assert table["element"].tolist() == ["Fe", "NA", "-"]


@pytest.mark.parametrize("word", ["null", "NA", "-"])
def test_a_column_of_nothing_but_missing_values_says_so(tmp_path, word):
    table = read_table(written(tmp_path, f"v,e_v\n{word},1\n{word},2\n"))
    with pytest.raises(InputError, match="every value is missing"):
        observations_from_table(table, "v")


GAIA = """# %ECSV 1.0
# ---
# delimiter: ','
# datatype:
# -
#   name: source_id
#   datatype: int64
# -
#   name: parallax
#   datatype: float64
#   unit: mas
# -
#   name: parallax_error
#   datatype: float32
#   unit: mas
# -
#   name: radial_velocity
#   datatype: float32
#   unit: km.s**-1
source_id,parallax,parallax_error,radial_velocity
4295806720,0.3543,0.25,null
34361129088,null,null,null
38655544960,1.5,0.5,-3.5
"""


def test_ecsv_of_gaia_writes_null(tmp_path):
    table = read_table(written(tmp_path, gzip.compress(GAIA.encode()), "GaiaSource.csv.gz"))
    observations = observations_from_table(table, "parallax")
    np.testing.assert_array_equal(observations.values[:, 0], [0.3543, np.nan, 1.5])
    assert observations.units == (u.mas,)
    assert table["source_id"][1] == 34361129088
    assert table["radial_velocity"].mask.tolist() == [True, True, False]


STYLES = {
    "plain": "{:.3f}".format,
    "Fortran": lambda number: f"{number:.12e}".replace("e", "D"),
    "typesetting": lambda number: f"{number:.3f}".replace("-", "−"),
    "decimal commas": lambda number: f"{number:.4f}".replace(".", ","),
    "decimal commas and points": lambda number: f"{number:,.4f}".translate(str.maketrans(",.", ".,")),
    "thousands": "{:,.3f}".format,
    "apostrophes": lambda number: f"{number:,.3f}".replace(",", "'"),
    "errors": "{:.3f} ± 0.250".format,
    "last digits": "{:.3f}(250)".format,
}


@given(
    numbers=st.lists(st.integers(-(10**10), 10**10), min_size=1, max_size=30),
    style=st.sampled_from(sorted(STYLES)),
    word=st.sampled_from(["null", "NA", "--", "…", ""]),
)
def test_numbers_are_the_same_in_every_style(tmp_path_factory, numbers, style, word):
    values = [number / 1000 for number in numbers]
    cells = [*map(STYLES[style], values), word]
    path = written(tmp_path_factory.mktemp("t"), "v;n\n" + "".join(f"{cell};1\n" for cell in cells))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = read_table(path)
    found = observations_from_table(table, "v", errors=None).values[:, 0]
    np.testing.assert_array_equal(found, [*values, np.nan])
    if style in ("errors", "last digits"):
        assert table["e_v"].tolist()[:-1] == [0.25] * len(values)


def test_tables_of_the_user_may_hold_numbers_as_text():
    table = Table({"v": ["1.5", "null", "2.5D+00"], "e_v": ["0.5", "--", "0.25"], "n": ["a", "b", "c"]})
    assert observations_from_table(table).names == ("v",)
    observations = observations_from_table(table, "v")
    np.testing.assert_array_equal(observations.values[:, 0], [1.5, np.nan, 2.5])
    with pytest.raises(InputError, match=r"column 'n' holds strings \(row 0: 'a'\)"):
        observations_from_table(table, "n", errors=None)


COMMAS = {
    "semicolons": ("name;v;e_v\n", "{name};{v};{e}"),
    "tabs": ("name\tv\te_v\n", "{name}\t{v}\t{e}"),
    "quotes": ("name,v,e_v\n", '{name},"{v}","{e}"'),
}


@pytest.mark.parametrize("form", COMMAS)
def test_decimal_commas_are_read_with_a_warning(tmp_path, form):
    header, row = COMMAS[form]
    path = written(tmp_path, header + rows(row).replace(".", ","))
    with pytest.warns(XdgmmWarning, match="decimal commas of v, e_v read as decimal points, as in '44,72'"):
        check(path)


@pytest.mark.parametrize(
    ("cells", "expected", "sentence"),
    [
        (["1,044.72", "-2,000,000", "12"], [1044.72, -2e6, 12], "separators of thousands in v left out"),
        (["1 044.72", "-2 000 000", "12"], [1044.72, -2e6, 12], "separators of thousands in v left out"),
        (["1'044.72", "12"], [1044.72, 12], "separators of thousands in v left out"),
        (["1.044,72", "12", "-3,5"], [1044.72, 12, -3.5], "decimal commas of v read"),
        (["1 044,72", "12,25", "3,5e2"], [1044.72, 12.25, 350], "decimal commas of v read"),
        (["0,125", "10,5", "NA"], [0.125, 10.5, np.nan], "decimal commas of v read"),
    ],
)
def test_commas_whose_meaning_is_clear(tmp_path, cells, expected, sentence):
    path = written(tmp_path, "v;e_v\n" + "".join(f"{cell};1\n" for cell in cells))
    with pytest.warns(XdgmmWarning, match=sentence):
        table = read_table(path)
    np.testing.assert_array_equal(observations_from_table(table, "v").values[:, 0], expected)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [("1,044", "2,125", None), ("1,044", "0,5", 1.044), ("1,044", "0.5", 1044.0), ("1,5", "0.5", None)],
)
def test_commas_before_three_digits_follow_the_rest_of_the_table(tmp_path, first, second, expected):
    path = written(tmp_path, f"v;w\n{first};{second}\n{first};{second}\n")
    if expected is None:
        with pytest.raises(InputError, match=r"row 0: '1,.*decimal comma or a thousands separator"):
            observations_from_table(read_table(path), "v", errors=None)
        return
    with pytest.warns(XdgmmWarning, match="commas of|thousands in"):
        table = read_table(path)
    assert observations_from_table(table, "v", errors=None).values[0, 0] == expected


@pytest.mark.parametrize("sign", ["±", " ± ", "+-", "+/-", " +/- ", " \\pm "])
def test_errors_in_the_cells_of_their_values_become_a_column(tmp_path, sign):
    path = written(tmp_path, "name,v\n" + rows("{name},{v}" + sign + "{e}"))
    with pytest.warns(XdgmmWarning, match="column 'v' holds values with errors .* read as v and e_v"):
        assert check(path).colnames == ["name", "v", "e_v"]


def test_errors_in_the_last_digits(tmp_path):
    path = written(tmp_path, "v\tn\n44.72(141)\t1\n-44.12(65)\t2\n12(3)\t3\n0.5(1.5)\t4\n7.1\t5\n")
    with pytest.warns(XdgmmWarning, match="read as v and e_v"):
        table = read_table(path)
    observations = observations_from_table(table, "v", on_bad="missing")
    np.testing.assert_array_equal(observations.values[:, 0], [44.72, -44.12, 12, 0.5, np.nan])
    np.testing.assert_array_equal(observations.noise[:4, 0], [1.41, 0.65, 3, 1.5])


def test_upper_and_lower_errors_in_the_cells_of_their_values(tmp_path):
    path = written(tmp_path, "v\tn\n44.7+1.5-1.4\t1\n-44.1 +0.6/-0.7\t2\n")
    with pytest.warns(XdgmmWarning, match="read as v and E_v and e_v"):
        table = read_table(path)
    assert [table[name].tolist() for name in ("v", "E_v", "e_v")] == [[44.7, -44.1], [1.5, 0.6], [1.4, 0.7]]


def test_a_column_of_errors_is_never_replaced(tmp_path):
    table = read_table(written(tmp_path, "v,e_v\n1±2,3\n4±5,6\n"))
    with pytest.raises(InputError, match="put values and errors into columns of their own"):
        observations_from_table(table, "v")


@pytest.mark.parametrize("minus", "−–")
def test_minus_signs_of_typesetting(tmp_path, minus):
    check(written(tmp_path, "name,v,e_v\n" + rows("{name},{v},{e}").replace("-", minus)))


@pytest.mark.parametrize(
    ("cell", "value"),
    [("1.5D+02", 150.0), ("-.5d-1", -0.05), ("1.25q1", 12.5), ("1.5-101", 1.5e-101), ("2.+100", 2e100)],
)
def test_exponents_of_fortran(tmp_path, cell, value):
    table = read_table(written(tmp_path, f"name v\na {cell}\nb 2.0\n"))
    assert table["v"].tolist() == [value, 2.0]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
def test_other_encodings_are_read_with_a_warning(tmp_path, encoding, separator):
    text = ("étoile,v,e_v\n" + rows("{id},{v},{e}") * 1).replace(",", separator)
    with pytest.warns(XdgmmWarning, match="not in UTF-8 .byte 0xe9.*save it in UTF-8"):
        assert check(written(tmp_path, text, encoding=encoding)).colnames == ["étoile", "v", "e_v"]


def test_a_byte_of_another_encoding_late_in_the_file(tmp_path):
    lines = "name,v,e_v\n" + rows("{name},{v},{e}") + "é,,\n"
    late = lines.replace("é", "x") + "x,,\n" * 20_000 + "é,,\n"
    with pytest.warns(XdgmmWarning, match="not in UTF-8"):
        assert len(read_table(written(tmp_path, late, "t.csv", "latin-1"))) == 20_006


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
@pytest.mark.parametrize("separator", ["\t", ",", ";"])
def test_text_of_spreadsheets_with_a_byte_order_mark(tmp_path, encoding, separator):
    text = ("name,v,e_v\n" + rows("{name},{v},{e}")).replace(",", separator)
    assert check(written(tmp_path, text, encoding=encoding)).colnames == ["name", "v", "e_v"]


def test_rows_with_a_cell_more_than_there_are_names_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"has 3 names, but each row has 4 cells"):
        read_table(written(tmp_path, "name,v,e_v\n" + rows("{name},{v},{e},9")))


def test_a_name_without_its_bracket_is_asked_about(tmp_path):
    table = read_table(written(tmp_path, "v [nanomaggies],e_v\n1,0.5\n2,0.5\n"))
    with pytest.raises(InputError, match=r"no column 'v'; did you mean 'v \[nanomaggies\]'"):
        observations_from_table(table, "v")


@pytest.mark.parametrize("name", ["t.csv", "t.txt", "t.html"])
def test_a_web_page_is_no_table(tmp_path, name):
    page = "<!DOCTYPE html>\n<html><body><p>Please log in to see 1,2</p></body></html>\n"
    with pytest.raises(InputError, match=r"web page \(HTML\)"):
        read_table(written(tmp_path, page, name))


def test_a_text_that_is_no_table_says_so_in_one_sentence(tmp_path):
    with pytest.raises(InputError, match="no form of text tables fits its lines") as caught:
        read_table(written(tmp_path, "My table\nname,v,e_v\n" + rows("{name},{v},{e}")))
    assert "\n" not in str(caught.value)


README = """J/A+A/000/00    Velocities of stars    (Nobody+, 2026)
================================================================================
File Summary:
--------------------------------------------------------------------------------
 FileName   Lrecl  Records   Explanations
--------------------------------------------------------------------------------
ReadMe         80        .   This file
table1.dat     25        4   Velocities
--------------------------------------------------------------------------------

Byte-by-byte Description of file: table1.dat
--------------------------------------------------------------------------------
   Bytes Format Units   Label     Explanations
--------------------------------------------------------------------------------
   1-  4  A4    ---     name      Name of the star
   6- 11  F6.2  km/s    v         ?=-99.99 Radial velocity
  13- 16  F4.2  km/s    e_v       ? Its error
--------------------------------------------------------------------------------
"""
CDS = rows("{id:4} {v:6.2f} {e:4.2f}") + "S9   -99.99     \n"


@pytest.mark.parametrize("name", ["table1.dat", "table1.dat.gz"])
def test_columns_of_the_cds_are_described_by_the_file_beside_them(tmp_path, name):
    written(tmp_path, README, "ReadMe")
    path = written(tmp_path, gzip.compress(CDS.encode()) if name.endswith("gz") else CDS, name)
    assert check(path, u.km / u.s, n_more=1).colnames == ["name", "v", "e_v"]


@pytest.mark.parametrize("cells", ["  ---   --- ", " 1.D+1  5D-1"])
def test_words_and_exponents_in_columns_of_the_cds(tmp_path, cells):
    written(tmp_path, README, "ReadMe")
    table = read_table(written(tmp_path, CDS + f"S8  {cells}\n", "table1.dat"))
    observations = observations_from_table(table, "v")
    assert observations.units == (u.km / u.s,)
    np.testing.assert_array_equal(observations.values[:4, 0], VALUES)
    np.testing.assert_array_equal(observations.values[5, 0], 10.0 if "D" in cells else np.nan)


def test_the_description_may_be_named(tmp_path):
    readme = written(tmp_path, README, "description.txt")
    path = written(tmp_path, CDS, "table1.dat")
    assert read_table(path, readme=readme)["v"].unit == u.km / u.s
    other = written(tmp_path, CDS, "table2.dat")
    with pytest.raises(
        InputError, match=r"has no line 'Byte-by-byte Description of file: table2.dat'; give .*`readme`"
    ):
        read_table(other, readme=readme)
    with pytest.raises(InputError, match=r"there is no file .*`readme`"):
        read_table(path, readme=tmp_path / "nothing")


def test_a_description_that_does_not_fit_is_refused(tmp_path):
    written(tmp_path, README, "ReadMe")
    with pytest.raises(InputError, match="failed to convert"):
        read_table(written(tmp_path, rows("{id:7} {v:6.2f} {e:4.2f}"), "table1.dat"))


def test_a_description_is_no_table(tmp_path):
    with pytest.raises(InputError, match=r"'.*ReadMe' describes tables; give the file of a table.*`readme`"):
        read_table(written(tmp_path, README, "ReadMe"))


def test_a_description_of_other_files_changes_nothing(tmp_path):
    written(tmp_path, README, "ReadMe")
    check(written(tmp_path, FORMS["bars"], "stars.txt"))


def test_a_table_that_holds_its_description_is_read(tmp_path):
    text = "Title: Velocities\nAuthors: Nobody\nTable: 1\n" + "=" * 80 + "\n" + README.partition("\n\n")[2] + CDS
    path = written(tmp_path, text, "table1.mrt")
    assert check(path, u.km / u.s, n_more=1).colnames == ["name", "v", "e_v"]


@pytest.mark.slow
def test_a_million_rows_are_read_by_the_fast_reader(tmp_path):
    n = 1_000_000
    numbers = np.random.default_rng(0).normal(size=n).round(5).tolist()
    path = written(tmp_path, "name,v,e_v\n" + "".join(f"S{i},{x},0.1\n" for i, x in enumerate(numbers)))
    start = time.perf_counter()
    Table.read(path, format="ascii.fast_csv")
    alone = time.perf_counter() - start
    start = time.perf_counter()
    assert len(read_table(path)) == n
    assert time.perf_counter() - start < 3 * alone + 1.0
