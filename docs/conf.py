"""How the site is built: ``python -m sphinx -W -b html docs docs/_build/html``.

No network is needed: formulas are MathML, which browsers show by themselves, and no page links to the index of another
project.
"""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "extensions"))
os.environ.setdefault("COLUMNS", "100")  # of the help of the command line

project = "xdgmm"
author = "the xdgmm developers"
project_copyright = "the xdgmm developers, BSD-3-Clause"
version = release = version_of("xdgmm")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
    "api_pages",
    "command_line",
    "lesson",
    "mathml",
]
exclude_patterns = ["_build", "_templates", "extensions", "**/GALLERY_HEADER.rst"]
templates_path = ["_templates"]
smartquotes = False  # -- is an option, not a dash
default_role = "py:obj"  # `name` in a docstring links to that name, if there is one

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
myst_dmath_double_inline = True

html_theme = "pydata_sphinx_theme"
html_title = f"xdgmm {version}"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "xdgmm"},
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "header_links_before_dropdown": 8,
    "show_toc_level": 2,
    "navigation_with_keys": False,
}

autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_typehints = "none"  # the docstrings say types, with shapes and units
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples/tutorials",
    "gallery_dirs": "tutorials",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "copyfile_regex": r"",
    "capture_repr": ("_repr_html_",),  # what a script shows it prints
    "image_scrapers": ("matplotlib", "unmanaged_figures.scrape"),
    "image_srcset": ["2x"],
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "remove_config_comments": True,
    "plot_gallery": True,
}
