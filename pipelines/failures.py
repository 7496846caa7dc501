"""Failures that a person can act on."""


class StatedError(Exception):
    """The message says what was found and what to do: a command shows it in one line instead of a trace."""
