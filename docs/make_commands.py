"""Writes docs/commands.md from the help of every command: `make docs`. A test compares the two."""

from __future__ import annotations

from pathlib import Path

import click

from docproc.cli import cli

PAGE = Path(__file__).parent / "commands.md"
HEAD = """# Commands

Made from `docproc COMMAND --help` by `make docs`. Every option can also be set in the environment as
`DOCPROC_COMMAND_OPTION`, such as `DOCPROC_RUN_WORKERS=2`. Results go to stdout, messages and progress to stderr.
"""


def commands_page() -> str:
    """The page's text."""
    parts = [HEAD]
    for name in sorted(cli.commands):
        context = click.Context(
            cli.commands[name],
            info_name=f"docproc {name}",
            max_content_width=100,
            terminal_width=100,
            show_default=True,
            # click makes the option once and keeps it: as the first context says that asks for it.
            help_option_names=cli.context_settings["help_option_names"],
        )
        parts.append(f"## docproc {name}\n\n```text\n{cli.commands[name].get_help(context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(commands_page(), encoding="utf-8")
