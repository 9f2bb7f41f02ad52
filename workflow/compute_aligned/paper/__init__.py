"""What each table and figure of the paper shows, and how it is computed."""
