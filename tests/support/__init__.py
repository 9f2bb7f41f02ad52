"""What tests of several folders share: tiny models, whole runs, environments, pages."""
