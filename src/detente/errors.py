"""What can go wrong, as a tree of exceptions.

::

    DetenteError
    ├── ModelError        the rules of a crisis are not a well-formed game
    ├── ScenarioError     a file of a scenario (scenario.toml, its record) is wrong
    ├── GameFileError     a .efg file cannot be read, or is not a game that can be solved
    ├── SolveError        the solver was asked for something impossible, or did not get there
    └── UsageError        a command or function was called with something it cannot use

Every message says where, what is wrong with the value, and what to do.
"""


class DetenteError(Exception):
    """A mistake that the user can mend; the command line shows its message and no traceback."""


class ModelError(DetenteError):
    """The rules of a crisis are not a well-formed game."""


class ScenarioError(DetenteError):
    """A file of a scenario is wrong: it names the file, the key, the value and the remedy."""


class GameFileError(DetenteError):
    """A game file cannot be read, or describes a game outside what the solver handles."""


class SolveError(DetenteError):
    """The solver was asked for something impossible, or (with ``throw=True``) did not get there."""


class UsageError(DetenteError):
    """A command or function was called with a name or value that it cannot use."""


def nearest(name: str, known) -> str:
    """A hint naming the closest known name, for the end of an error message.

    Example:
        >>> nearest("restrant", ["restraint", "kuhn"])
        " Did you mean 'restraint'?"
        >>> nearest("zzz", ["restraint"])
        " Known: 'restraint'."
    """
    import difflib

    names = [str(k) for k in known]
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f" Did you mean {close[0]!r}?"
    if not names:
        return ""
    shown = ", ".join(repr(n) for n in names[:8])
    return f" Known: {shown}{' …' if len(names) > 8 else '.'}"
