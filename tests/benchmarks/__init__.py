"""How fast the project's ways are beside slow and obvious ones: ``make bench``. Not run by pytest.

What it runs has ``comparisons()``; each checks first that its ways give the same result. Beside
them are ``gpu`` (``make check-gpu``), ``whole_run``, and ``page`` (``make figures``).
"""
