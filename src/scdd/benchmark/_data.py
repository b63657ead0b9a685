"""Where the data sets of the benchmark lie."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scdd.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["Stored", "data_folder"]

VARIABLE = "SCDD_DATA"


def data_folder() -> Path:
    """Return the folder of the data sets: that of the variable SCDD_DATA, else ``../shared/data`` beside a checkout.

    Raises
    ------
    scdd.errors.InputError
        If there is no such folder.
    """
    named = os.environ.get(VARIABLE)
    folder = Path(named).expanduser() if named else Path(__file__).resolve().parents[4] / "shared" / "data"
    if not folder.is_dir():
        msg = (
            f"{VARIABLE} names {folder}, which is no folder."
            if named
            else f"The folder of the benchmark data is not known: set the environment variable {VARIABLE} to it."
        )
        raise InputError(msg)
    return folder


@dataclass(frozen=True)
class Stored:
    """An h5ad file in the data folder; calling it reads it.

    Attributes
    ----------
    name
        Name of the file, without its ending.
    where
        Column of ``obs`` and the value that a cell must have there. None: all cells.
    """

    name: str
    where: tuple[str, str] | None = None

    def check(self) -> Path:
        """Return the path, or raise where the file is not there."""
        path = data_folder() / f"{self.name}.h5ad"
        if not path.is_file():
            msg = f"{path.name} is not in {path.parent}: set {VARIABLE} to the folder of the data sets."
            raise InputError(msg)
        return path

    def __call__(self) -> AnnData:
        """Read the cells."""
        import anndata

        adata = anndata.read_h5ad(self.check())
        if self.where is None:
            return adata
        column, value = self.where
        return adata[(adata.obs[column].astype(str) == value).to_numpy()].copy()
