"""Tables and formulas as Markdown, LaTeX and HTML pages."""
