"""Exit codes and the errors that end a command; a page or region that fails is a `Failure` record instead."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the shell sees; a promise, listed in the README."""

    OK = 0
    BUG = 1
    USAGE = 2
    NO_INPUT = 3
    MISSING_DEPENDENCY = 4
    OUTPUT = 5
    PARTIAL = 6
    INTERRUPTED = 130


class DocprocError(Exception):
    """An error the user can act on: its text says what, where, and the next step."""

    exit_code = ExitCode.BUG


class UsageError(DocprocError):
    """An option value that cannot be used."""

    exit_code = ExitCode.USAGE


class InputError(DocprocError):
    """A document that cannot be read; the other documents of the run go on."""

    exit_code = ExitCode.NO_INPUT


class DependencyError(DocprocError):
    """A package, model or device that is asked for and not there."""

    exit_code = ExitCode.MISSING_DEPENDENCY


class OutputError(DocprocError):
    """An output folder or database that cannot be written, or that a newer version wrote."""

    exit_code = ExitCode.OUTPUT
