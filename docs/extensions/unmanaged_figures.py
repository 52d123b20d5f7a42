"""A scraper for sphinx-gallery: figures that a notebook shows although pyplot does not manage them."""

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

LAST = "___"  # the name that sphinx-gallery gives to the value of the last expression of a block


def scrape(block, block_vars, gallery_conf):
    """Save the figure that the last expression of a block is, and return the text that shows it."""
    figure = block_vars["example_globals"].get(LAST)
    if not isinstance(figure, Figure) or hasattr(figure, "number"):  # pyplot numbers its own
        return ""
    path = next(block_vars["image_path_iterator"])
    figure.savefig(path, bbox_inches="tight")
    return figure_rst([path], gallery_conf["src_dir"])
