"""What a drawn tree brings along so that its reader can fold and unfold it: a small script, and the numbers it needs.

The script is in ``fold.js``. It finds parts of the picture by their attributes and lays the tree out as
:mod:`detente.model.draw_layout` does; without it the picture looks as it does at first.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any
from xml.sax.saxutils import quoteattr

# Attributes: of what stands at a node, its box, the step to it, the line for what is folded away there …
AT, BOX, STEP, REST, REST_LINE, LINK = "data-at", "data-box", "data-step", "data-rest", "data-rest-line", "data-link"
# … and of what there is once: headings of columns, the tree, what stands below it, how much is shown, what one can do.
HEAD, TREE, FOOT, COVER, HINTED = "data-head", "data-tree", "data-foot", "data-cover", "data-hint"
HINT = "Choose a box to fold or unfold what comes after it, or “… more” to see more of it."
STYLE = (
    '<style>.dt-tree [role="button"]{cursor:pointer}'
    '.dt-tree [role="button"]:hover .dt-x,.dt-tree [role="button"]:focus-visible .dt-x{stroke-width:3}'
    '.dt-tree text[role="button"]{text-decoration:underline}'
    ".dt-tree [role=button]:focus-visible{outline:2px solid currentColor;outline-offset:2px}</style>"
)


@lru_cache(maxsize=1)
def script() -> str:
    """The script as an element of a picture, without comments and blank lines (at which Markdown would end it)."""
    rows = (files("detente.model") / "fold.js").read_text(encoding="utf-8").splitlines()
    kept = [row.strip() for row in rows if row.strip() and not row.strip().startswith("//")]
    return "<script><![CDATA[\n" + "\n".join(kept) + "\n]]></script>"


def data(numbers: Mapping[str, Any]) -> str:
    """The numbers as an attribute of a picture.

    Args:
        numbers: By name, each a list with one item for every node or column: see ``fold.js``.

    Example:
        >>> print(data({"top": -8.5, "leaf": [0, 1]}).strip())
        data-fold='{"top":-8.5,"leaf":[0,1]}'
    """
    return " data-fold=" + quoteattr(json.dumps(numbers, separators=(",", ":"), allow_nan=False))
