"""The forms of tables and figures: the column ``form`` of ``config/paper_items.tsv`` picks one.

``tables.FORMS`` and ``figures.FORMS`` map names to functions; a decorated function is a new form.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from compute_aligned.config import study
from compute_aligned.config.sheets import PaperItem
from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import near

Form = TypeVar("Form", bound=Callable[..., Any])


def register(forms: dict[str, Form], name: str) -> Callable[[Form], Form]:
    """Decorate a function to enter it under ``name``."""

    def enter(function: Form) -> Form:
        forms[name] = function
        return function

    return enter


def chosen(forms: Mapping[str, Form], item: PaperItem) -> Form:
    """The function for the form that an item's row names.

    Raises:
        InputError: There is no such form; names the row and the forms that exist.

    """
    if item.form not in forms:
        raise InputError(
            f"{study.CONFIG / 'paper_items.tsv'}: {item.item}",
            f"there is no {item.output} form {item.form!r}",
            f"choose one of: {', '.join(forms)}{near(item.form, forms)}",
        )
    return forms[item.form]
