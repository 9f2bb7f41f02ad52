"""The one exception that means "the user gave something wrong", shown without a traceback."""


class InputError(Exception):
    """A mistake in a file, a key, a row or the machine, with the way out of it.

    Args:
        where: The place, as precise as it is known: a file, ``file:line``, ``file: key``.
        problem: What is wrong there, in one sentence.
        remedy: What to do about it, in one sentence.

    """

    def __init__(self, where: object, problem: str, remedy: str) -> None:
        self.where = str(where)
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{self.where}: {problem}\n  remedy: {remedy}")


def in_brief(error: BaseException) -> str:
    """Another library's error in a line: its kind, and the first line of what it says."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
