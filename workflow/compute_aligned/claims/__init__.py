"""Whether the claims of the paper hold: evidence, review, tables, figure, page."""
