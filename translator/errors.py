"""The error that is the user's to mend."""


class UserError(ValueError):
    """A mistake in what the user gave: an option, a file, a text.

    Its message is one line that says what was received, what was expected and
    what to do. The command line prints it as `error: ...` and exits with 2; the
    page shows it as a sentence. Every other exception is a bug and keeps its
    traceback.
    """
