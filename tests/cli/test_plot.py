"""`xdgmm plot`: pictures of a model and its table."""

import json

import numpy as np
import pytest
from astropy.table import Table

from xdgmm import XDGMM
from xdgmm.cli.options import Kind
from xdgmm.plotting import KINDS


@pytest.fixture
def motions(tmp_path):
    """A catalogue of two columns, and its model."""
    rng = np.random.default_rng(0)
    table = Table({"pmra": rng.normal(0, 3, 50), "pmdec": rng.normal(2, 1, 50), "g": rng.normal(15, 1, 50)})
    table["pmra_error"], table["pmdec_error"] = 0.4, 0.3
    table.write(tmp_path / "t.fits")
    XDGMM(2, random_state=0).fit(table["pmra", "pmdec", "pmra_error", "pmdec_error"]).mixture_.write(
        tmp_path / "m.fits"
    )
    return tmp_path


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_a_picture_is_written_in_the_format_of_its_name(motions, here, suffix):
    status, out, _ = here(
        "plot", "m.fits", "t.fits", "--kind", "corner", "--columns", "pmdec,pmra", "--output", f"x.{suffix}", "--json"
    )
    assert status == 0
    assert json.loads(out) == {
        "kind": "corner",
        "columns": ["pmdec", "pmra"],
        "n_objects": 50,
        "written": [f"x.{suffix}"],
    }
    assert (motions / f"x.{suffix}").stat().st_size > 5000


@pytest.mark.parametrize("kind", ["fit", "density", "error_bars", "ellipses", "memberships", "denoising", "relation"])
@pytest.mark.usefixtures("motions")
def test_pictures_of_data(here, kind):
    columns = ("--columns", "pmra") if kind in ("density", "error_bars", "memberships") else ()
    status, out, err = here("plot", "m.fits", "t.fits", "--kind", kind, *columns, "--output", "x.png", "--title", "T")
    assert (status, err) == (0, "")
    assert out == "wrote x.png\n"


@pytest.mark.parametrize("kind", ["pie", "trace"])
def test_other_kinds_are_refused(motions, xdgmm, refused, kind):
    done = xdgmm("plot", "m.fits", "t.fits", "--kind", kind, "--output", "x.png", cwd=motions)
    refused(done, "'--kind'", f"'{kind}' is not one of 'fit', 'density', 'error_bars'")
    assert not (motions / "x.png").exists()


def test_every_kind_but_the_trace_is_offered(here):
    assert sorted(Kind) == sorted(set(KINDS) - {"trace"})  # files keep no passes
    status, out, _ = here("plot", "--help")
    shown = " ".join(out.replace("│", " ").split())
    assert status == 0
    assert f"Which picture: {', '.join(Kind)}." in shown
    assert "trace" not in shown


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--columns", "pmra,g"], ["`columns` (--columns) names 'g', but the mixture has pmra, pmdec"]),
        (["--kind", "density"], ["shows one column, but the mixture has 2; choose with `columns` (--columns)"]),
        (["--kind", "candidates"], ["was not chosen among candidates"]),
        (["--output", "x.docx"], ["must end in .png or .pdf or .svg"]),
        (["--output", "m.fits"], ["must end in"]),
        (["--fitted-columns", "pmra"], ["X has 1 coordinates, but the mixture has 2 (pmra, pmdec)"]),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_sentence_and_nothing_is_written(
    motions, xdgmm, refused, options, parts
):
    output = [] if "--output" in options else ["--output", "x.png"]
    before = sorted(motions.iterdir())
    refused(xdgmm("plot", "m.fits", "t.fits", *options, *output, cwd=motions), "error:", *parts)
    assert sorted(motions.iterdir()) == before


def test_a_file_that_exists_is_kept(motions, here):
    (motions / "x.png").write_text("mine")
    status, _, err = here("plot", "m.fits", "t.fits", "--output", "x.png")
    assert status == 2
    assert "overwrite" in err
    assert (motions / "x.png").read_text() == "mine"
    assert here("plot", "m.fits", "t.fits", "--output", "x.png", "--overwrite")[0] == 0
