"""What can go wrong, as small classes whose message says what happened, with which value, and what to do."""


class FtappError(Exception):
    """Base of every error that ftapp raises on purpose; pages and the command line show its message as one sentence."""


class InputError(FtappError):
    """A value or file that the user gave cannot be used."""


class CheckpointError(FtappError):
    """A model folder, or one of the two models of a pair, cannot be used."""


class UnsupportedError(FtappError):
    """The request is sound, but not on this machine or with what is installed."""
