"""The errors that gmjax raises on purpose."""


class GmjaxError(Exception):
    """Base class of gmjax's errors. The text names the file or argument, says what is wrong and what to do."""


class ArgumentError(GmjaxError, ValueError):
    """An argument that cannot be right: its name, such as ``"FitConfig.steps"``, and the rest of the text."""

    def __init__(self, argument: str, problem: str):
        super().__init__(argument, problem)
        self.argument, self.problem = argument, problem

    def __str__(self) -> str:
        return f"{self.argument} {self.problem}"


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument of the wrong type."""


class DivergedError(GmjaxError, ArithmeticError):
    """A fit whose loss is no longer a finite number; the text says at which step, and why."""


class MissingExtraError(GmjaxError, ImportError):
    """A package that only one of gmjax's extras installs is missing; the text says which, and how to install it."""


def in_one_line(error: BaseException) -> str:
    """The text of an error, without the number of an OSError."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return "; ".join(line.strip() for line in text.splitlines())


def missing_extra(extra: str, purpose: str) -> MissingExtraError:
    """The error to raise where ``purpose``, for example ``"Finding eyes"``, needs an extra that is not installed."""
    commands = f'pip install "gmjax[{extra}]", or in a checkout pip install -e ".[{extra}]"'
    return MissingExtraError(f'{purpose} needs the extra "{extra}": {commands}')
