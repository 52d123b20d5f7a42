"""The README, the documentation and the examples do what they say."""

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn
from PIL import Image

import xdgmm
import xdgmm.plotting

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
NAMES = [
    module.name
    for module in pkgutil.walk_packages(xdgmm.__path__, "xdgmm.")
    if not module.name.endswith(("compiled", "cli"))
]


def run(code, namespace):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "block", "exec"), namespace)
    return printed.getvalue()


def test_the_readme_prints_the_two_set_up_commands():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert "python -m pip install . && xdgmm demo" in lines
    assert "python -m pip install -e '.[test]' && python -m pytest" in lines


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = [
        code
        for language, code in BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
        if language == "python"
    ]
    assert blocks
    namespace = {}
    for code in blocks:
        run(code, namespace)
    assert (namespace["same"].covariances == namespace["model"].covariances_).all()


PAGES = [
    ("explore.md", 1),
    ("gpu.md", 1),
    ("lines.md", 5),
    ("large_catalogues.md", 6),
    ("line_fits.md", 5),
    ("intrinsic_widths.md", 13),
    pytest.param("many_fits.md", 2, marks=pytest.mark.slow),
    ("migrating.md", 7),
    ("models.md", 7),
    ("heavy_tails.md", 2),
    ("known_memberships.md", 1),
    pytest.param("flat_components.md", 1, marks=pytest.mark.slow),
    ("non_gaussian_errors.md", 3),
    ("limits.md", 2),
    ("objects.md", 5),
    pytest.param("posterior.md", 3, marks=pytest.mark.slow),
    ("quickstart.md", 4),
    ("scikit_learn.md", 3),
    ("selection.md", 2),
    ("selection_functions.md", 2),
    ("tables.md", 10),
    ("theory.md", 7),
    ("trust.md", 2),
]


@pytest.mark.parametrize(("page", "blocks"), PAGES)
def test_pages_print_what_they_say(page, blocks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace, printed, compared = {}, "", 0
    with sklearn.config_context():  # what a page switches on ends with it
        for language, text in BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8")):
            if language == "python":
                printed = run(text, namespace)
            elif language == "text":
                assert printed == text
                compared += 1
    assert compared == blocks


def test_every_page_with_code_is_tested():
    with_code = {path.name for path in (ROOT / "docs").glob("*.md") if "```python" in path.read_text(encoding="utf-8")}
    by_an_example = {"gallery.md"}  # examples/gallery.py runs its blocks
    assert with_code - by_an_example == {getattr(page, "values", page)[0] for page in PAGES}


def test_the_code_whose_types_are_checked_keeps_its_lines():
    code_of = runpy.run_path(str(ROOT / "tools" / "check_documents.py"))["code_of"]
    text = "A word.\n```python\nx = 1\n```\n- a list:\n\n  ```bash\n  ls\n  ```\n```python\nprint(x)\n```\nEnd.\n"
    lines = code_of(text).splitlines()
    assert [(i, line) for i, line in enumerate(lines, 1) if line] == [(3, "x = 1"), (11, "print(x)")]
    assert len(lines) == len(text.splitlines())


FORMULA = re.compile(r"\$\$(.*?)\$\$|(?<![\\$])\$([^$\n]*?)\$", re.DOTALL)


def test_the_site_can_show_every_formula():
    """docutils makes MathML of them, and knows some commands of LaTeX only."""
    translate = pytest.importorskip("docutils.utils.math.latex2mathml").tex2mathml
    for page in sorted((ROOT / "docs").glob("*.md")):
        text = re.sub(r"`[^`\n]*`", "", BLOCK.sub("", page.read_text(encoding="utf-8")))
        for block, inline in FORMULA.findall(text):
            body = (block or inline).replace(r"\begin{align}", "").replace(r"\end{align}", "").strip()
            assert translate(body, as_block=bool(block)), f"{page.name}: {body}"


def test_links_between_documents_lead_somewhere():
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            if target.startswith("tutorials/"):  # pages of the site that are made of these scripts
                target = f"../examples/{target}.py"
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["velocity_dispersion.py", str(tmp_path)])
    runpy.run_path(str(ROOT / "examples" / "velocity_dispersion.py"), run_name="__main__")
    assert "intrinsic dispersion   2.73 km / s +- 0.43 km / s" in capsys.readouterr().out
    assert (tmp_path / "hydrus1.png").stat().st_size > 10_000
    assert (tmp_path / "hydrus1.ecsv").exists()


def test_ellipsoids_are_found_from_tangential_velocities(tmp_path):
    example = runpy.run_path(str(ROOT / "examples" / "velocity_ellipsoid.py"))
    pulls = example["main"](tmp_path)
    assert pulls.size == 6
    assert abs(pulls).max() < 3.3  # six numbers of unit variance
    assert (pulls**2).mean() > 0.1  # and errors that are not far too large
    assert (tmp_path / "ellipsoids.png").stat().st_size > 10_000


def test_the_front_page_says_what_its_picture_shows(tmp_path):
    measured, intrinsic = runpy.run_path(str(ROOT / "examples" / "concepts.py"))["main"](tmp_path)
    for page in ("README.md", "docs/index.md", "docs/concepts.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert f"{measured:.1f} km/s" in text
        assert f"{intrinsic:.1f} km/s" in text
    for name in ("measured_and_intrinsic", "widths_of_a_line"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_the_picture_of_heavy_tails_is_drawn(tmp_path):
    gaussian, heavy = runpy.run_path(str(ROOT / "examples" / "heavy_tails.py"))["main"](tmp_path)
    assert abs(heavy / 3.0 - 1.0) < 0.15  # the true half-width of the core is 3
    assert gaussian > 6.0
    assert (tmp_path / "heavy_tails.png").stat().st_size > 10_000


def test_the_picture_of_other_errors_shows_that_the_bias_is_gone(tmp_path):
    symmetric, right_ages, measured, right_fluxes = runpy.run_path(str(ROOT / "examples" / "non_gaussian_errors.py"))[
        "main"
    ](tmp_path)
    text = (ROOT / "docs" / "non_gaussian_errors.md").read_text(encoding="utf-8")
    assert f"{measured:.1f} in the right panel" in text
    assert max(abs(right_ages - 10.0), abs(right_fluxes - 10.0)) < 0.2  # standard errors are 0.05 and 0.1
    assert max(symmetric, measured) < 9.3
    assert (tmp_path / "non_gaussian_errors.png").stat().st_size > 10_000


def test_the_picture_of_limits_is_drawn(tmp_path):
    slopes = runpy.run_path(str(ROOT / "examples" / "limits.py"))["main"](tmp_path)
    assert abs(slopes["limits"] - 1.2) < 0.12
    assert slopes["limits as values"] < slopes["detections alone"] < 1.05
    assert (tmp_path / "limits.png").stat().st_size > 10_000


def test_the_picture_of_known_memberships_shows_the_bias_of_cuts(tmp_path):
    found = runpy.run_path(str(ROOT / "examples" / "known_memberships.py"))["main"](tmp_path)
    sigma, error = found["joint"]
    assert abs(sigma - 10.0) < 2.0 * error
    assert min(found[cut] for cut in (0.5, 0.9, 0.95)) > 10.0 + 5.0 * error
    assert (tmp_path / "known_memberships.png").stat().st_size > 10_000


def test_the_picture_of_flat_components_is_drawn(tmp_path):
    gaussian, flat = runpy.run_path(str(ROOT / "examples" / "flat_components.py"))["main"](tmp_path)
    assert flat < gaussian - 1000.0
    assert (tmp_path / "flat_components.png").stat().st_size > 10_000


def test_the_picture_of_a_selected_sample_shows_that_the_population_comes_back(tmp_path):
    naive, fitted = runpy.run_path(str(ROOT / "examples" / "selection_functions.py"))["main"](tmp_path)
    assert abs(fitted - 20.0) < 0.05  # its standard error
    assert naive < 19.7
    assert (tmp_path / "selection_functions.png").stat().st_size > 10_000


def test_pictures_of_line_widths_are_drawn(tmp_path):
    found = runpy.run_path(str(ROOT / "examples" / "line_widths.py"))["main"](tmp_path)
    population, *others = found.values()
    assert abs(population - 1) < 0.02
    assert min(abs(other - 1) for other in others) > 0.05
    for name in ("one_line", "instrument_error", "population"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


@pytest.mark.slow
def test_the_gallery_shows_what_its_code_draws_and_prints(tmp_path):
    page = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    pictures, texts = runpy.run_path(str(ROOT / "examples" / "gallery.py"))["main"](tmp_path)
    assert list(pictures) == re.findall(r"\(pictures/(\w+\.png)\)", page)
    drawn = {name for name in dir(xdgmm.plotting) if name.startswith("plot_")}
    assert drawn == set(re.findall(r"\bplot_\w+", page))  # every picture is shown or named
    for name in pictures:
        new, kept = (
            np.asarray(Image.open(folder / name).convert("L")) for folder in (tmp_path, ROOT / "docs/pictures")
        )
        assert new.shape == kept.shape
        assert np.unique(new).size > 20
        assert abs(new.mean() - kept.mean()) < 3.0  # of 255: as much ink
    assert len(texts) == 2
    version = re.compile(r"xdgmm \d[\w.]*")
    for printed, quoted in texts:
        assert version.sub("xdgmm", printed) == version.sub("xdgmm", quoted)


@pytest.mark.slow
def test_the_page_on_trust_says_what_its_example_prints(tmp_path, capsys):
    checks = runpy.run_path(str(ROOT / "examples" / "trust.py"))["main"](tmp_path)
    assert [name for name, check in checks.items() if check.passed] == ["hydrus1"]
    page = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    printed = " ".join(capsys.readouterr().out.split())
    quoted = re.findall(r"((?:^> .*\n)+)", page, re.MULTILINE)
    assert len(quoted) == 4
    for quote in quoted:
        assert " ".join(quote.replace("> ", " ").split()) in printed
    for picture in re.findall(r"pictures/(\w+\.png)", page):
        assert (tmp_path / picture).stat().st_size > 10_000


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_in_docstrings_are_right(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_version_is_the_one_of_the_package():
    assert f"version = {xdgmm.__version__}\n" in (ROOT / "setup.cfg").read_text(encoding="utf-8")
