"""Files with several tables, compressed files, pipes, and text with unusual separators."""

import gzip
import itertools
import os
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.io.votable import from_table
from astropy.io.votable.tree import Resource, VOTableFile
from astropy.table import MaskedColumn, Table

from xdgmm import InputError
from xdgmm.tables import observations_from_table, read_table

STARS = Table({"v": [1.0, 2.0], "e_v": [0.1, 0.2]})
VIZIER = [
    ("Star    ", "RV", "e_RV", "logM", "n"),
    (" ", "km/s", "m/s", "[Msun]", " "),
    ("--------", "-------", "----", "----", "---"),
    ("HD 12345", " -12.50", " 500", "0.11", "  3"),
    ("HD 54321", "   3.25", " 250", "    ", " 12"),
]
GALAXIES = Table({"z": [0.5, 0.6, 0.7]})
needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have no names on this system")


@pytest.fixture
def several(tmp_path):
    """A FITS file with an image and two tables, HDU 2 and 3."""
    stars, galaxies = (
        fits.BinTableHDU(table.as_array(), name=name) for table, name in ((STARS, "STARS"), (GALAXIES, "GAL"))
    )
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((2, 2))), stars, galaxies]).writeto(tmp_path / "t.fits")
    return tmp_path / "t.fits"


def votable(path):
    file, resource = VOTableFile(), Resource()
    for table, name in ((STARS, "stars"), (GALAXIES, "gal")):
        one = from_table(table).get_first_table()
        one.name, one.ID = name, name
        resource.tables.append(one)
    file.resources.append(resource)
    file.to_xml(str(path))
    return path


def test_several_tables_in_a_fits_file_are_listed(several):
    with pytest.raises(InputError, match=r"`hdu`: 2 \(STARS\), 3 \(GAL\)"):
        read_table(several)


@pytest.mark.parametrize("hdu", [3, "3", "GAL", "gal"])
def test_a_table_is_chosen_by_number_or_name(several, hdu):
    assert read_table(several, hdu)["z"].tolist() == [0.5, 0.6, 0.7]


@pytest.mark.parametrize("hdu", [0, 1, 4, "nothing"])
def test_what_is_no_table_of_the_file_is_refused_with_those_that_are(several, hdu):
    with pytest.raises(InputError, match=r"no table .*2 \(STARS\), 3 \(GAL\)"):
        read_table(several, hdu)


def test_one_table_beside_images_needs_no_choice(tmp_path):
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.zeros((2, 2))), fits.BinTableHDU(STARS.as_array())]
    fits.HDUList(hdus).writeto(tmp_path / "t.fits")
    assert read_table(tmp_path / "t.fits").colnames == ["v", "e_v"]


def test_a_gzipped_fits_is_read_whatever_it_is_called(several):
    other = several.parent / "archive"
    other.write_bytes(gzip.compress(several.read_bytes()))
    assert len(read_table(other, "STARS")) == 2


def test_a_table_in_a_votable_is_chosen_by_number_or_name(tmp_path):
    path = votable(tmp_path / "t.vot")
    with pytest.raises(InputError, match=r"`hdu`: 0 \(stars\), 1 \(gal\)"):
        read_table(path)
    assert len(read_table(path, "gal")) == len(read_table(path, 1)) == 3


@pytest.mark.filterwarnings("ignore:.*Implicitly generating an ID")  # while the table is written
def test_names_of_a_votable_are_those_that_its_author_wrote(tmp_path):
    Table({"[Fe/H]": [1.0], "e_[Fe/H]": [0.1]}).write(tmp_path / "t.vot", format="votable")
    assert observations_from_table(read_table(tmp_path / "t.vot")).names == ("[Fe/H]",)


def test_a_choice_where_there_is_none_is_refused(tmp_path):
    STARS.write(tmp_path / "t.csv")
    with pytest.raises(InputError, match="VOTable"):
        read_table(tmp_path / "t.csv", 1)


@pytest.mark.parametrize(
    ("separator", "name"), [*itertools.product(";|\t,", ["t.csv", "t.txt", "t"]), (" ", "t.txt"), (" ", "t")]
)
@pytest.mark.parametrize("first", ["", "# made by hand, on a Monday\n# twice\n"])
def test_text_is_read_with_any_usual_separator(tmp_path, separator, name, first):
    path = tmp_path / name
    path.write_text(first + "v,e_v,n\n1.5,0.1,a\n-2,0.2,b\n".replace(",", separator))
    table = read_table(path)
    assert table.colnames == ["v", "e_v", "n"]
    assert table["v"].tolist() == [1.5, -2.0]


@pytest.mark.parametrize("separator", [";", "|", ",", " "])
def test_a_header_may_be_a_comment(tmp_path, separator):
    (tmp_path / "t.csv").write_text("# v,e_v\n1.5,0.1\n2,0.2\n".replace(",", separator))
    assert read_table(tmp_path / "t.csv").colnames == ["v", "e_v"]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("1\t\t3", [1, None, 3]),
        ("1\t \t3", [1, None, 3]),
        ("\t2\t3", [None, 2, 3]),
        ("1\t2\t", [1, 2, None]),
        (" 1 \t 2 \t 3 ", [1, 2, 3]),
    ],
)
@pytest.mark.parametrize("header", ["a\tb\tc\n", "# made by hand\na\tb\tc\n", "# a\tb\tc\n"])
def test_an_empty_cell_between_tabs_moves_no_other(tmp_path, row, expected, header):
    (tmp_path / "t.tsv").write_text(f"{header}{row}\n4\t5\t6\n7\t8\t9\n")
    table = Table(read_table(tmp_path / "t.tsv"), masked=True)
    assert table.colnames == ["a", "b", "c"]
    assert [table[name][0] if not table[name].mask[0] else None for name in "abc"] == expected
    assert [column.dtype.kind for column in table.itercols()] == ["i"] * 3


def test_cells_left_out_at_the_end_of_a_line_are_missing(tmp_path):
    (tmp_path / "t.tsv").write_text("a\tb\tc\n1\t2\n4\t5\t6\n")
    assert read_table(tmp_path / "t.tsv")["c"].mask.tolist() == [True, False]


@pytest.mark.parametrize("separator", ["\t", ";"])
def test_units_and_dashes_below_the_names_are_those_of_vizier(tmp_path, separator):
    lines = [
        "#\n#   VizieR Astronomical Server\n#Column\tRV\t(F7.2)\n\n",
        *("|".join(cells).replace("|", separator) + "\n" for cells in VIZIER),
        "\n#END#\n",
    ]
    (tmp_path / "asu.tsv").write_text("".join(lines))
    table = read_table(tmp_path / "asu.tsv")
    assert table.colnames == [name.strip() for name in VIZIER[0]]
    assert [str(table[name].unit) for name in ("RV", "e_RV", "logM", "n")] == ["km / s", "m / s", "[Msun]", "None"]
    assert table["n"].tolist() == [3, 12]
    assert table["logM"].mask.tolist() == [False, True]
    observations = observations_from_table(table, "RV")
    assert observations.values[:, 0].tolist() == [-12.5, 3.25]
    assert observations.noise[:, 0].tolist() == [0.5, 0.25]


def test_dashes_below_names_without_units_are_no_row(tmp_path):
    (tmp_path / "t.txt").write_text("v;e_v\n---;---\n1;0.1\n2;0.2\n")
    table = read_table(tmp_path / "t.txt")
    assert table["v"].tolist() == [1, 2]
    assert table["v"].unit is None


@needs_pipes
@pytest.mark.parametrize("suffix", [".csv", ".ecsv", ".fits", ".vot"])
def test_a_pipe_is_read_once_and_whole(tmp_path, suffix):
    STARS.write(tmp_path / f"t{suffix}", **({"format": "votable"} if suffix == ".vot" else {}))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes((tmp_path / f"t{suffix}").read_bytes()))
    writer.start()
    table = read_table(pipe)
    writer.join()
    assert table["e_v"].tolist() == [0.1, 0.2]


@needs_pipes
def test_an_empty_pipe_is_empty(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(b""))
    writer.start()
    with pytest.raises(InputError, match="pipe' is empty"):
        read_table(pipe)
    writer.join()


def test_parquet_keeps_nulls_and_units(tmp_path):
    pd.DataFrame({"v": [1.0, None], "n": pd.array([None, 5], dtype="Int64"), "s": ["a", None]}).to_parquet(
        tmp_path / "a.parquet"
    )
    table = read_table(tmp_path / "a.parquet")
    assert table["v"].mask.tolist() == [False, True]
    assert table["n"].mask.tolist() == [True, False]
    assert table["n"][1] == 5
    Table({"v": [1.0, 2.0]}, units={"v": "km/s"}).write(tmp_path / "b.parquet")
    assert str(read_table(tmp_path / "b.parquet")["v"].unit) == "km / s"


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    pd.DataFrame({"v": [1.0]}).to_parquet(tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'xdgmm\[parquet\]'"):
        read_table(tmp_path / "a.parquet")


def test_names_that_stand_twice_in_a_fits_file_are_refused(tmp_path):
    Table({"v": [1.0], "w": [2.0]}).write(tmp_path / "t.fits")
    content = (tmp_path / "t.fits").read_bytes()
    (tmp_path / "t.fits").write_bytes(content.replace(b"TTYPE2  = 'w ", b"TTYPE2  = 'v "))
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "t.fits")


def test_masks_of_a_votable_are_missing_values(tmp_path):
    table = Table({"v": MaskedColumn([1.0, 2.0], mask=[False, True]), "e_v": [0.1, 0.2]})
    table.write(tmp_path / "t.vot", format="votable")
    assert observations_from_table(read_table(tmp_path / "t.vot"), "v").n_objects == 1
