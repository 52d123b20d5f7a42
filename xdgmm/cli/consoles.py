"""Where text goes: results to standard output, progress and complaints to standard error."""

from xdgmm.errors import XdgmmWarning


def results():
    """The console of results: standard output, at least 120 columns wide where it is no terminal."""
    from rich.console import Console

    console = Console(highlight=False, emoji=False)
    return console if console.is_terminal else Console(highlight=False, emoji=False, width=max(console.width, 120))


def asides():
    """The console of progress, warnings and errors: standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False)


def escaped(text):
    """The text with what a console would take for markup made harmless."""
    from rich.markup import escape

    return escape(str(text))


def show_warning(message, category, *_rest, **_more):
    """Print a warning as one sentence; stands for `warnings.showwarning`."""
    kind = "warning" if issubclass(category, XdgmmWarning) else category.__name__
    asides().print(f"[yellow]{kind}:[/yellow] {escaped(message)}", soft_wrap=True)
