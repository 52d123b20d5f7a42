"""`Picture`: a figure that shows itself in a notebook, once.  This module imports matplotlib."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.figure import Figure


class Picture(Figure):
    """A figure of matplotlib; as the last value of a cell it is shown as an image."""

    def _ipython_display_(self) -> None:
        """Show the image, unless pyplot shows this figure at the end of the cell, or in a window."""
        if self._is_shown_by_pyplot():
            return
        import IPython.display

        display: Any = IPython.display.display
        stream = io.BytesIO()
        self.savefig(stream, format="png")
        display({"image/png": stream.getvalue(), "text/plain": repr(self)}, raw=True)

    def _is_shown_by_pyplot(self) -> bool:
        import matplotlib.pyplot as plt

        return plt.get_backend().lower() != "agg" and any(plt.figure(number) is self for number in plt.get_fignums())
