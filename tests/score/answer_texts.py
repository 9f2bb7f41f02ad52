"""Texts that the answer tests draw: anything, LaTeX-like pieces, numbers of every form."""

from hypothesis import settings
from hypothesis import strategies as st

LATEX_PIECES = [
    *(r"\boxed{", r"\fbox {", r"\boxed", "{", "}", r"\{", r"\}", "$", "$$", r"\$", "\\", r"\\"),
    *(r"\left", r"\right", r"\left(", r"\dfrac{1}{2}", r"\tfrac", r"\frac{", r"\pi", r"\ ", " "),
    *("\n", "a", "ft", "5", "-", "+", ".", ",", ",123", "/", "e", "1/0", "nan", "\ud800", "é"),
]
any_text = st.text(st.characters(exclude_categories=()))
latex_like = st.lists(st.sampled_from(LATEX_PIECES), max_size=20).map("".join)
texts = any_text | latex_like
without_deadline = settings(deadline=None)
digits = st.text("0123456789", min_size=1, max_size=6)
integers = st.builds("{}{}".format, st.sampled_from(["", "-", "+"]), digits)
decimals = integers | st.builds("{}.{}".format, integers, digits)
numbers = decimals | st.builds("{}e{}".format, decimals, st.integers(-12, 12))
