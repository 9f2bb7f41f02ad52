"""The tables and figures of the paper, each a row of config/paper_items.tsv."""
