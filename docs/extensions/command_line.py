"""The directive ``command-line``: every command of `xdgmm` with its arguments and options, from the program itself."""

from rich.text import Text
from sphinx.util.docutils import SphinxDirective


def plain(markup):
    """Help without the marks of rich, safe inside Markdown."""
    text = Text.from_markup(markup or "").plain
    return text.replace("\\", "\\\\").replace("*", r"\*").replace("<", r"\<")


def commands_below(command, context):
    """A command and its subcommands with their contexts, depth first."""
    yield command, context
    for name in getattr(command, "commands", {}):
        child = command.commands[name]
        yield from commands_below(child, type(context)(child, info_name=name, parent=context))


def described(command, context):
    """Lines of Markdown that describe one command."""
    says, _, example = (command.help or "").partition("Example: ")
    yield from (f"## `{context.command_path}`", "", plain(says), "", "```text")
    yield f"{context.command_path} {' '.join(command.collect_usage_pieces(context))}"
    yield from (example, "```", "")
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and parameter.name != "help":
            yield from (f"`{record[0]}`", f": {plain(record[1]) or '(no description)'}", "")


class CommandLine(SphinxDirective):
    """Sections for all commands."""

    def run(self):
        """Parse their Markdown where the directive stands."""
        from typer.main import get_command

        from xdgmm.cli.app import app

        program = get_command(app)
        context = program.context_class(program, info_name="xdgmm")
        lines = [line for pair in commands_below(program, context) for line in described(*pair)]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app):
    """Register the directive."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
