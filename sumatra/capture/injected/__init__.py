"""What Python programs load when they start, if they are observed by their audit events.

This folder comes first in the program's ``PYTHONPATH`` and is gone from there before any of its own code runs.  Nothing
here may import what the program wouldn't have loaded anyway, or raise into it.
"""
