"""Configuration of the Sphinx documentation."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from datetime import UTC, datetime
from importlib.metadata import metadata
from pathlib import Path

HERE = Path(__file__).parent

# sphinx-autodoc-typehints 3 for Python 3.11 calls what Sphinx 10 will drop, once for every docstring
warnings.filterwarnings("ignore", message=".*set_application' is deprecated")

# -- Project ----------------------------------------------------------------------------------------------------------

info = metadata("scdd")
project = info["Name"]
author = "The scdd developers"
version = release = info["Version"]
copyright = f"{datetime.now(tz=UTC):%Y}, {author}"

# -- Tutorials --------------------------------------------------------------------------------------------------------
# They live at the top of the repository, where users look for them; a link would break checkouts on Windows.

if (HERE.parent / "tutorials").is_dir():
    shutil.copytree(
        HERE.parent / "tutorials",
        HERE / "tutorials",
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns(".ipynb_checkpoints", "*.h5ad"),
    )

# -- API pages --------------------------------------------------------------------------------------------------------

sys.path.insert(0, str(HERE))
import _api  # noqa: E402

_api.write(HERE / "generated" / "api")

# -- General ----------------------------------------------------------------------------------------------------------

needs_sphinx = "8.1"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_autodoc_typehints",
    "sphinx_copybutton",
    "sphinx_design",
    "_prose",
    "_references",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
default_role = "literal"
nitpicky = True

autosummary_generate = True
autodoc_member_order = "groupwise"
autodoc_inherit_docstrings = (
    False  # what torch, Lightning and scvi-tools say about their methods belongs to their pages
)
napoleon_google_docstring = False
napoleon_numpy_docstring = True
napoleon_include_init_with_doc = False
napoleon_use_param = True
napoleon_use_rtype = False  # types stand in the signature; what a docstring says of a result is prose
# attributes as plain text: as entries of their own they would double those that autodoc finds
napoleon_custom_sections = [("Attributes", "returns_style")]
typehints_defaults = "braces"
typehints_document_rtype_none = False
always_use_bars_union = True

myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # notebooks are committed executed; `hatch run nightly` executes them again
nb_merge_streams = True
nb_output_stderr = "remove"
copybutton_prompt_text = r">>> |\.\.\. |\$ |In \[\d*\]: "
copybutton_prompt_is_regexp = True

# -- References to other projects -------------------------------------------------------------------------------------
# Read from the network only where that is wanted, so that the documentation builds offline and strictly all the same.

EXTERNAL = {
    "anndata": "https://anndata.scverse.org/en/stable/",
    "lightning": "https://lightning.ai/docs/pytorch/stable/",
    "matplotlib": "https://matplotlib.org/stable/",
    "numpy": "https://numpy.org/doc/stable/",
    "pandas": "https://pandas.pydata.org/pandas-docs/stable/",
    "python": "https://docs.python.org/3/",
    "scanpy": "https://scanpy.scverse.org/en/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "scvi": "https://docs.scvi-tools.org/en/stable/",
    "sklearn": "https://scikit-learn.org/stable/",
    "torch": "https://docs.pytorch.org/docs/stable/",
}
if os.environ.get("READTHEDOCS") or os.environ.get("SCDD_INTERSPHINX"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {name: (url, None) for name, url in EXTERNAL.items()}

_ELSEWHERE = (
    r"anndata|collections|concurrent|h5py|importlib|lightning|logging|matplotlib|np|numpy|numpy\.typing|os|pandas|pathlib|pd"
    r"|pytorch_lightning|random|scanpy|scipy|scvi|sklearn|sp|torch|tqdm|types|typing|zarr"
)
_BUILTINS = (
    r"bool|bytes|callable|complex|dict|float|frozenset|int|list|None|object|set|slice|str|tuple|type"
    r"|[A-Z][A-Za-z]*(Error|Warning|Interrupt)|Ellipsis|True|False|Any"
)
_ALIASES = r"AnnData|ArrayLike|Axes|Callable|DataFrame|Figure|Generator|Iterable|Iterator|Mapping|NDArray|Path|Sequence|Series|Tensor"
nitpick_ignore_regex = [
    ("py:.*", rf"({_ELSEWHERE})(\..*)?"),
    ("py:.*", rf"({_BUILTINS})"),
    ("py:class", rf"({_ALIASES})"),
    # words that numpydoc lets stand where a type stands
    ("py:class", r"n_[a-z]+|optional|default.*|array-like|array|iterable|mapping|sequence|shape.*|.*[ ,:{}'\"0-9].*"),
]

# -- HTML -------------------------------------------------------------------------------------------------------------

html_theme = "sphinx_book_theme"
html_title = f"scdd {version}"
html_static_path = ["_static"]
html_css_files = ["css/custom.css"]
html_theme_options = {
    "navigation_with_keys": False,
    "show_navbar_depth": 1,
    "navbar_persistent": [],  # the search field stands in the side bar
}
pygments_style = "default"
