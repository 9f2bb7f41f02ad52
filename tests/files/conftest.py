import pytest

from compute_aligned.files.errors import InputError


@pytest.fixture
def refused():
    """The error that a call ends with, which names a place; the text of that error is one line."""

    def refused(where, function, *arguments):
        with pytest.raises(InputError) as caught:
            function(*arguments)
        assert caught.value.where == str(where)
        assert "\n" not in caught.value.problem
        return caught.value

    return refused
