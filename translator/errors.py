"""The error that is the user's to mend, and those of the machine that are, too."""

import errno

_MAKE_ROOM = "Make room and try again; a training goes on with --resume."
_CHOOSE = "Choose a place that you may read and write."
# What to do where the machine refuses, at whatever place of the program.
_ADVICE = {
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.EFBIG: _MAKE_ROOM,
    errno.EACCES: _CHOOSE,
    errno.EPERM: _CHOOSE,
    errno.EROFS: _CHOOSE,
}


class UserError(ValueError):
    """A mistake in what the user gave: an option, a file, a text.

    Its message is one line that says what was received, what was expected and
    what to do. The command line prints it as `error: ...` and exits with 2; the
    page shows it as a sentence. Every other exception is a bug and keeps its
    traceback.
    """


class RefusedWriteError(UserError):
    """A file that cannot be written: a user's mistake at the command line; on a server,
    where its path is nobody's business, the operator's."""


def explain_refusal(error: OSError) -> str:
    """Returns what a user can do where the machine refuses, in a line: a full disk, a
    place that is not theirs. An empty string where that is not known."""
    if error.errno not in _ADVICE:
        return ""
    place = f"cannot use {error.filename}: " if error.filename else ""
    return f"{place}{error.strerror}. {_ADVICE[error.errno]}"
