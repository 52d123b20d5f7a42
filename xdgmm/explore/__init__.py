"""See a mixture move, in the browser.

`explore` starts a server that answers this machine only, and opens the page; the command is ``xdgmm explore``.  The
extra ``explore`` installs bokeh, which no other room imports.

- `data_sets`: what can be explored (bundled tables, blobs of a textbook, files, uploads), free of bokeh;
- `uploads`: files that a browser sends, and how large they may be;
- `session`: what one page knows: its data, its mixture, and who hears of changes; free of bokeh too;
- `worker`: a process for each page, which computes what takes long, can be cancelled and reports; `tasks` what it runs;
- `fit_state`: what the second tab knows, free of bokeh; `fit_tasks` what its process computes, `code_boxes` the Python
  and the command that repeat it, `downloads` its files;
- `server`: the server, and who may talk to it; `opening` starts it and opens the browser;
- `page`: one document of three tabs, each made by a module of its own: `mixture_tab`, `fit_tab`, `judge_tab`;
- `mixture_state` and `judge_state`: what the first and the third know; `sending` gives their files to the browser;
- `fit_controls`, `fit_panels`: the widgets and the linked panels of the second tab, `views` the numbers behind these;
- `boxes`: code that a button copies; `frames`: how fast pictures may follow each other;
- `lesson`: pages that need no server, with their mathematics in JavaScript; `extra` what is said without bokeh;
- `escaping`: text of files, where a browser shows it; `advice`: what the package advises, in words of the page.
"""

from .data_sets import DataSet, blobs, bundled, read_file
from .lesson.export import export_lesson
from .opening import explore

__all__ = ["DataSet", "blobs", "bundled", "explore", "export_lesson", "read_file"]
