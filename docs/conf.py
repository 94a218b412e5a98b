"""The site: Sphinx, MyST and furo. `make docs` builds it with warnings as errors."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from generate_plan_reference import write as write_plan_reference

import seatrial

# The schema is the truth; the page is made from it each time and is not kept in git.
write_plan_reference()

project = "Seatrial"
author = "The Seatrial authors"
project_copyright = "The Seatrial authors, Apache-2.0"
release = version = seatrial.__version__

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
# Depth of headings that may be linked to as `page.md#heading`.
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]
nitpicky = True

html_theme = "furo"
html_title = f"Seatrial {release}"
html_show_sphinx = False
