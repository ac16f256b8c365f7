"""The command line: parse arguments, call one function, print its result.

Commands import their modules lazily, so that ``explorer --help`` starts fast and ``explorer open`` never loads torch,
umap or hdbscan.
"""

import json
import os
import sys

import typer

from explorer.cli import bench, browse, build, inspect, steering
from explorer.errors import ExplorerError, InputError

app = typer.Typer(
    name="explorer",
    help="Find, draw and steer the curved shapes that an SAE's features cover together.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for group in (browse, build, inspect, steering):
    app.add_typer(group.commands)
app.add_typer(bench.commands)

INTERRUPTED = 130
"""Exit status after Ctrl-C (128 + SIGINT); typer returns it instead of raising."""


def main() -> None:
    """Run a command; an error prints one line to standard error and exits with 1 or 2 (130 after Ctrl-C)."""
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
        if code == INTERRUPTED:
            raise KeyboardInterrupt
    except ExplorerError as error:
        _stop(str(error), error.exit_code)
    except json.JSONDecodeError as error:
        _stop(str(error), InputError.exit_code)
    except typer.TyperException as error:
        message = getattr(error, "format_message", lambda: str(error))()
        _stop(message, InputError.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _stop("interrupted", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExplorerError.exit_code)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _stop(f"{place}{error.strerror or error}", ExplorerError.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _stop(message: str, code: int) -> None:
    print("explorer: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(code)
