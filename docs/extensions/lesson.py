"""Writes ``lesson.html`` beside the pages of the site, where ``docs/explore.md`` shows it in a frame."""

from pathlib import Path


def write_lesson(app):
    """Export the page that `xdgmm explore --export` writes."""
    from xdgmm.explore import export_lesson

    if app.builder.format == "html":
        export_lesson(Path(app.outdir) / "lesson.html", overwrite=True)


def setup(app):
    """Write it before the pages are read."""
    app.connect("builder-inited", write_lesson)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
