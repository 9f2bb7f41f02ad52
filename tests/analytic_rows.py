"""Rows of the items sheet that need no training, for the tests of analytic tables and figures."""

from typing import Literal

from compute_aligned.config.sheets import PaperItem


def analytic_item(
    item: str, output: Literal["table", "figure"], form: str, title: str
) -> PaperItem:
    """A row with a dash wherever an analytic item has one."""
    dashes = dict.fromkeys(["family", "branches", "metric", "budgets", "reported"], "-")
    return PaperItem.model_validate(
        {"item": item, "output": output, "form": form, "title": title} | dashes
    )
