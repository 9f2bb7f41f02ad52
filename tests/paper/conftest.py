from collections.abc import Iterator

import pytest

from compute_aligned.paper import style


@pytest.fixture(autouse=True)
def styled() -> Iterator[None]:
    """The look in which the step draws a figure."""
    with style.context():
        yield
