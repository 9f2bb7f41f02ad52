"""How fast the project's ways are beside slow and obvious ones: ``make bench``. Not run by pytest.

Every module has ``comparisons()``; each comparison checks that its ways agree before it times them.
"""
