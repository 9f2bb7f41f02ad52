"""The tables of an HTML page as tests read them: with Python's own parser."""

from html.parser import HTMLParser


class Tables(HTMLParser):
    """Collects the text of every cell, a list a row, a list of rows a table."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.open: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag in ("meta", "br", "img"):
            if tag == "br" and self.open[-1] in ("td", "th"):
                self.tables[-1][-1][-1] += "\n"
            return
        self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data


def parsed(page: str) -> Tables:
    """Read a page; an element that is closed in the wrong place is an error, and so is an open one.

    What a page loads has to be in it: ``loaded`` are the addresses of pictures and links.
    """
    parser = Tables()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def tables_of(page: str) -> list[list[list[str]]]:
    """Every table of a page: its rows, the heading first, as the text of their cells."""
    return parsed(page).tables
