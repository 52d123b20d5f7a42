"""`xdgmm demo`."""

import pytest
from astropy.table import QTable

from xdgmm import GaussianMixture


@pytest.fixture(scope="module")
def demo(xdgmm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, xdgmm("demo", "--output", folder / "out", cwd=folder)


def test_the_demo_reports_both_data_sets(demo):
    folder, done = demo
    assert done.returncode == 0, done.stderr
    for text in (
        "80.53±0.57",
        "2.73±0.43",
        "3.15±0.41",
        "2.55±0.50",
        "2 components: BIC lower by 8.1 than with 1",
        "0.078±0.016",
        "[km/s]",
        "[solMass]",
    ):
        assert text in done.stdout
    assert "errors of v taken from e_v" in done.stdout
    assert "17 rows without any value left out" in done.stdout
    assert f"{folder / 'out'}" in done.stdout


def test_the_demo_writes_model_report_and_picture(demo):
    folder, _ = demo
    written = sorted(path.name for path in (folder / "out").iterdir())
    assert written == sorted(
        f"{n}{s}" for n in ("hydrus1", "neutron_stars") for s in ("_model.fits", "_widths.ecsv", ".png")
    )
    assert GaussianMixture.read(folder / "out" / "neutron_stars_model.fits").n_components == 2
    report = QTable.read(folder / "out" / "hydrus1_widths.ecsv")
    assert report["sigma"].unit == "km/s"
    assert report.meta["outcome"].startswith("converged")
    assert (folder / "out" / "hydrus1.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_demo_does_not_touch_the_first(xdgmm, refused, demo):
    folder, _ = demo
    before = {path: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}
    refused(xdgmm("demo", "--output", folder / "out", cwd=folder), "exists already", "--overwrite")
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}
