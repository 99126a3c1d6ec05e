"""How the documentation is built (make docs)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import sumatra

project = "Sumatra"
author = copyright = "The Sumatra developers"
version = release = sumatra.__version__

extensions = ["sphinx.ext.autodoc"]
autodoc_default_options = {"members": True, "member-order": "bysource"}
default_role = "literal"
exclude_patterns = ["_build", "news", "**/*.inc.rst"]
nitpicky = False
smartquotes = False

html_theme = "furo"
html_title = "Sumatra"
html_show_sphinx = False
html_copy_source = False
