"""``python -m compute_aligned``: runs a verb; a user's mistake ends in a message, no traceback."""

import errno
import gc
import sys

from compute_aligned.cli import app
from compute_aligned.errors import InputError


def main() -> None:
    """Run the command line. Exit code 2 for a mistake in what the user gave, 1 for a full disk."""
    # torch, transformers and vLLM make a million objects that live to the end; looking through them
    # for garbage again and again, as they are imported, costs a fifth of that time
    gc.set_threshold(100_000, 50, 50)
    try:
        app()
    except InputError as error:
        sys.exit(_report(f"error: {error}", 2))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.exit(
            _report(
                f"error: {error.filename or 'a write'}: the disk is full\n"
                "  remedy: free some space and run the same command again: finished work is kept",
                1,
            )
        )


def _report(message: str, code: int) -> int:
    print(f"\n{message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
