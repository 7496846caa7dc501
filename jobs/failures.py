"""What commands refuse to do."""

from pipelines.failures import StatedError


class CommandError(StatedError):
    """A command cannot do what was asked; the message says what was found and what to do."""
