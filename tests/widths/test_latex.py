"""The width report as a table of a paper."""

import re

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable

from xdgmm import XDGMM, InputError, datasets
from xdgmm.widths import WidthReport, write_report

HOSTILE = r"v_r & 50% {x} \ $"


@pytest.fixture(scope="module")
def hydrus():
    stars = datasets.load("hydrus1")["v", "e_v"]
    return XDGMM().fit(stars).widths(stars, method="profile", title=r"Hydrus I, 68% & more_")


@pytest.fixture(scope="module")
def reports(hydrus):
    rng = np.random.default_rng(0)
    table = QTable({HOSTILE: rng.normal(size=80) * u.km / u.s, "d": rng.normal(size=80) * u.kpc})
    table[f"e_{HOSTILE}"], table["e_d"] = 0.3 * u.km / u.s, 2.0 * u.kpc
    errors = [f"e_{HOSTILE}", "e_d"]
    from xdgmm import Observations

    stars = Observations.from_table(table, [HOSTILE, "d"], errors=errors)
    neutron = datasets.load("neutron_stars")["m", "e_m"]
    return {
        "one": hydrus,
        "two": XDGMM(2, random_state=0).fit(neutron).widths(neutron),
        "units": XDGMM().fit(stars).widths(stars),
    }


def balanced(text):
    """Braces and dollar signs of LaTeX that are not escaped come in pairs."""
    bare = re.sub(r"\\\\|\\[{}$&%#_]", "", re.sub(r"(?m)^%.*\n?", "", text))
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert bare.count("$") % 2 == 0
    assert "%" not in bare
    assert "#" not in bare
    return bare


def cells(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))]


def body_of(text):
    """Alignment and rows of cells: of a tabular or a deluxetable."""
    begin = re.search(r"\\begin\{(tabular|deluxetable)\}\{([lcr]+)\}", text)
    assert begin is not None
    assert rf"\end{{{begin[1]}}}" in text
    if begin[1] == "tabular":
        body = text.split(r"\hline" + "\n")[2]
        rows = body.strip().splitlines()
        assert all(row.endswith(r"\\") for row in rows)
    else:
        body = text.split("\\startdata\n")[1].split("\n\\enddata")[0]
        rows = body.splitlines()
        assert all(row.endswith(r"\\") for row in rows[:-1])
        assert not rows[-1].endswith(r"\\")
    return begin[2], [cells(row) for row in rows]


@pytest.mark.parametrize("style", ["tabular", "aastex"])
@pytest.mark.parametrize("which", ["one", "two", "units"])
def test_every_row_has_a_cell_for_each_column_and_all_braces_are_closed(reports, which, style):
    text = reports[which].to_latex(style=style)
    balanced(text)
    alignment, rows = body_of(text)
    assert len(rows) == len(reports[which])
    assert {len(row) for row in rows} == {len(alignment)}
    heads = text.split(r"\hline")[1].strip().splitlines() if style == "tabular" else None
    for head in heads or []:
        assert len(cells(head)) == len(alignment)
    assert text.count(r"\colhead") in ((0,) if style == "tabular" else (len(alignment), 2 * len(alignment)))


def test_the_cells_are_what_a_paper_prints(reports):
    alignment, rows = body_of(reports["one"].to_latex())
    assert alignment == "lccc"
    assert rows == [["v", "$31$", r"$80.53 \pm 0.57$", "$2.73^{+0.48}_{-0.39}$"]]
    assert r"($\mathrm{km\,s^{-1}}$)" in reports["one"].to_latex()
    _, rows = body_of(reports["two"].to_latex(style="aastex"))
    assert [row[0] for row in rows] == ["0", "1"]
    assert rows[0][3:] == [r"$0.720 \pm 0.090$", r"$1.346 \pm 0.021$", r"$0.078 \pm 0.016$"]


def test_names_are_escaped_units_of_rows_stand_beside_them_and_what_is_missing_is_said(reports):
    text = reports["units"].to_latex(style="aastex")
    _, rows = body_of(text)
    assert rows[0][0] == r"v\_r \& 50\% \{x\} \textbackslash{} \$"
    assert rows[0][-1] == r"$\mathrm{km\,s^{-1}}$"
    assert rows[1][-1] == r"$\mathrm{kpc}$"
    assert reports["units"]["is_limit"][1]
    assert re.fullmatch(r"\$<\d\.\d+\$", rows[1][3])
    assert r"\nodata" in rows[-1]  # a principal axis has no mean
    assert r"Upper limits hold at 95\%." in text
    assert r"\ldots" in reports["units"].to_latex()


def test_columns_can_be_chosen_and_rows_by_slicing(reports):
    columns = ["axis", "fwhm", "observed_sigma", "instrumental_sigma", "naive_sigma"]
    alignment, rows = body_of(reports["two"][1:].to_latex(columns=columns))
    assert alignment == "lcccc"
    assert len(rows) == 1
    assert rows[0][2] == r"$0.215 \pm 0.039$"
    with pytest.raises(InputError, match=r"`columns` is .*'sigmas'.*, but each must be one of component, axis"):
        reports["two"].to_latex(columns=["sigmas"])


def test_the_short_form_has_a_line_for_each_row(reports):
    first, recipe = reports["one"].summary().splitlines()
    assert first == "v: mean 80.53±0.57 km/s, sigma 2.73+0.48-0.39 km/s"
    assert recipe == f"the fit again: {reports['one'].meta['recipe']}"
    assert reports["two"].summary().splitlines()[0] == (
        "component 0, m: mean 1.346±0.021 solMass, sigma 0.078±0.016 solMass, 0.720±0.090 of the objects"
    )
    assert re.search(r"d: mean .* kpc, sigma <[\d.]+ kpc \(95%\)", reports["units"].summary())


def test_files_are_the_same_however_they_are_written(reports, tmp_path):
    report = reports["one"]
    write_report(report, tmp_path / "a.tex")
    report.write(tmp_path / "b.tex")
    report.write(tmp_path / "c.tex", format="ascii.aastex")
    texts = [(tmp_path / f"{name}.tex").read_text(encoding="utf-8") for name in "abc"]
    assert texts[:2] == [report.to_latex() + "\n"] * 2
    assert texts[2] == report.to_latex(style="aastex") + "\n"
    write_report(report, tmp_path / "a.ecsv")
    assert WidthReport.read(tmp_path / "a.ecsv").colnames == report.colnames
    with pytest.raises(InputError, match=r"must end in \.ecsv or \.fits or \.fit or \.tex"):
        write_report(report, tmp_path / "a.docx")
