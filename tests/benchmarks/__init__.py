"""How fast the project's ways are beside slow and obvious ones: ``make bench``. Not run by pytest.

Every module has ``comparisons()``. A comparison checks first that its ways give the same result.
"""
