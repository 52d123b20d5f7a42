"""What all commands have in common."""


def test_help_shows_an_example(xdgmm, tmp_path):
    done = xdgmm("fit", "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "Example" in done.stdout


def test_markup_in_names_is_printed_as_it_is(xdgmm, stars):
    (stars / "stars.fits").rename(stars / "[b]x :star:.fits")
    done = xdgmm("fit", "[b]x :star:.fits", "--columns", "v", cwd=stars)
    assert "[b]x :star:.fits" in done.stdout
    done = xdgmm("demo", "--output", "demo[/b]x", cwd=stars)
    assert done.returncode == 0, done.stderr
    assert "demo[/b]x" in done.stdout
