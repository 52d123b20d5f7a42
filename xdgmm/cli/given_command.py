"""The command as it was given: the recipe of a fit that the command line makes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


class GivenCommand:
    """The words of the command that is run now; none where there is no command line."""

    words: tuple[str, ...] = ()

    def note(self, name: str, arguments: Sequence[str]) -> None:
        """Keep the name of the command ("xdgmm fit") and what was typed behind it."""
        self.words = (*name.split(), *arguments)

    @property
    def text(self) -> str:
        """The command as a line for a shell."""
        return shlex.join(self.words)


given_command = GivenCommand()
