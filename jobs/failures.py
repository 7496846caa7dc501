"""Failures that a person can act on: said in one line instead of a trace."""

from pipelines.register import RegisterError
from resources.care import CareError
from resources.catalog import QueryError
from resources.home import HomeError


class CommandError(RuntimeError):
    """A command cannot do what was asked; the message says what was found and what to do."""


STATED = (CommandError, CareError, HomeError, QueryError, RegisterError)
