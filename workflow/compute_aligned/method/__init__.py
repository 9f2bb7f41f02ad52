"""The paper's mathematics and the statistics: no file, no model. PAPER.md is what it follows."""
