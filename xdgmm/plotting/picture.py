"""`Picture`: a figure that shows itself in a notebook, once.  This module imports matplotlib."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.figure import Figure

FILES, NOTEBOOK = "agg", "inline"  # backends without windows, by name and by the end of it


class Picture(Figure):
    """A figure of matplotlib; as the last value of a cell it is shown as an image."""

    def _ipython_display_(self) -> None:
        """Show the image, unless a window or widget of pyplot shows this figure.

        The backend of notebooks displays all figures of pyplot at the end of a cell, by this function too: one that has
        been shown is taken from pyplot, so that it is shown once.
        """
        import matplotlib.pyplot as plt

        known = plt.fignum_exists(getattr(self, "number", -1))
        backend = plt.get_backend().lower()
        if known and backend != FILES and not backend.endswith(NOTEBOOK):
            return
        import IPython.display

        display: Any = IPython.display.display
        stream = io.BytesIO()
        self.savefig(stream, format="png")
        display({"image/png": stream.getvalue(), "text/plain": repr(self)}, raw=True)
        plt.close(self)
