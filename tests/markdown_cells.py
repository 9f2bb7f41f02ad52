"""The tables of a Markdown text as tests read them."""


def tables_of(text: str) -> list[list[list[str]]]:
    """Every table: its rows, the heading first, as the text of their cells."""
    blocks = [block for block in text.split("\n\n") if block.startswith("|")]
    return [
        [
            [cell.strip() for cell in line.split("|")[1:-1]]
            for line in block.splitlines()
            if not set(line) <= set("|:-")
        ]
        for block in blocks
    ]


def rows_of(text: str) -> dict[str, list[str]]:
    """The cells of every row by its first one, which is left out."""
    return {label: cells for table in tables_of(text) for label, *cells in table}
