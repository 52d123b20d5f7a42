"""The command line with text tables: a ReadMe, limits, and what is said about assumptions."""

import pytest

from xdgmm.tables import read_table

README = """Byte-by-byte Description of file: table1.dat
--------------------------------------------------------------------------------
   Bytes Format Units   Label     Explanations
--------------------------------------------------------------------------------
   1-  4  F4.1  km/s    v         Radial velocity
   6-  8  F3.1  km/s    e_v       Its error
--------------------------------------------------------------------------------
"""


@pytest.fixture
def described(tmp_path):
    """A table of the CDS, and its description under another name."""
    (tmp_path / "table1.dat").write_text("".join(f"{v:4.1f} 0.5\n" for v in (1.0, 2.5, 4.0, 6.5)))
    (tmp_path / "description").write_text(README)
    return tmp_path


def test_every_command_takes_a_readme(xdgmm, described):
    readme = ["--readme", "description"]
    for command in (
        ["info", "table1.dat"],
        ["fit", "table1.dat", "--columns", "v", "--output", "model.fits"],
        ["widths", "model.fits", "table1.dat"],
        ["apply", "model.fits", "table1.dat", "--output", "out.ecsv"],
        ["lines", "deconvolve", "table1.dat", "--sigma", "v", "--lsf", "0.1", "--output", "lines.ecsv"],
    ):
        done = xdgmm(*command, *readme, cwd=described)
        assert done.returncode == 0, done.stderr
    assert str(read_table(described / "out.ecsv")["v"].unit) == "km / s"
    assert len(read_table(described / "lines.ecsv")) == 4


def test_a_readme_of_another_table_is_refused(xdgmm, refused, described):
    (described / "table1.dat").rename(described / "other.dat")
    done = xdgmm("fit", "other.dat", "--columns", "v", "--readme", "description", cwd=described)
    refused(done, "Byte-by-byte Description of file: other.dat", "`readme` (--readme)")


@pytest.mark.filterwarnings("default::xdgmm.errors.XdgmmWarning")
def test_limits_are_said_with_the_option_that_keeps_them(xdgmm, tmp_path):
    (tmp_path / "t.csv").write_text("l_v,v,e_v\n<,12,0.3\n,5,0.3\n,6,0.3\n,7,0.3\n")
    done = xdgmm("fit", "t.csv", "--columns", "v", cwd=tmp_path)
    assert "1 of 4 values of v is a limit" in done.stderr
    assert "`on_limit` (--on-limit)" in done.stderr
    assert "3 objects" in done.stdout
    done = xdgmm("fit", "t.csv", "--columns", "v", "--on-limit", "keep", cwd=tmp_path)
    assert "4 objects" in done.stdout
    assert "fitted as a measurement" in done.stdout
    for option in ("--on-limit", "--limits"):
        done = xdgmm("fit", "t.csv", "--columns", "v", option, "use", cwd=tmp_path)
        assert "4 objects" in done.stdout
        assert "used as one" in done.stdout


def test_a_limit_of_the_width_of_a_line_is_no_limit_of_a_fit(xdgmm, refused, tmp_path):
    (tmp_path / "t.csv").write_text("l_s,s,e_s\n<,12,0.3\n,5,0.3\n")
    done = xdgmm("lines", "deconvolve", "t.csv", "--sigma", "s", "--lsf", "2", "--on-limit", "use", cwd=tmp_path)
    refused(done, "limits of widths of lines cannot be used as such", "`on_limit` (--on-limit)")


def test_variances_are_said_and_overridden(xdgmm, tmp_path):
    (tmp_path / "t.csv").write_text("v,v_variance\n5,0.25\n6,0.25\n8,0.25\n")
    said = xdgmm("fit", "t.csv", "--columns", "v", "--errors", "v_variance", cwd=tmp_path).stdout
    assert "variances of v taken from v_variance" in said
    said = xdgmm("fit", "t.csv", "--columns", "v", "--errors", "sigma:v_variance", cwd=tmp_path).stdout
    assert "errors of v taken from v_variance" in said


@pytest.mark.filterwarnings("default::xdgmm.errors.XdgmmWarning")
def test_decimal_commas_are_said_once(xdgmm, tmp_path):
    (tmp_path / "t.csv").write_text("v;e_v\n5,5;0,25\n6,5;0,25\n8,5;0,25\n")
    assert xdgmm("fit", "t.csv", "--columns", "v", "--output", "m.fits", cwd=tmp_path).returncode == 0
    done = xdgmm("apply", "m.fits", "t.csv", "--output", "out.ecsv", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr.count("decimal commas of v, e_v") == 1
