"""How the documentation is built: ``make docs``."""

import slime

project = "slime"
author = "the slime authors"
project_copyright = "the slime authors"
version = release = slime.__version__

extensions = ["sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
nitpicky = False
html_theme = "alabaster"
html_theme_options = {
    "description": "Many providers of one HTTP API behind one address",
    "fixed_sidebar": True,
    "page_width": "60em",
}
html_show_sourcelink = False
