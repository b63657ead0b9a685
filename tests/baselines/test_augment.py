from __future__ import annotations

import pytest
import torch

from scdd.baselines._augment import Augmentation


def test_augmentation_masks_genes_and_changes_depth() -> None:
    drawn = [Augmentation.draw(2000, mask=0.3, jitter=0.2, seed=0, step=k) for k in (0, 0, 1)]
    assert torch.equal(drawn[0].keep, drawn[1].keep)
    assert drawn[0].factor == drawn[1].factor
    assert not torch.equal(drawn[0].keep, drawn[2].keep)
    assert drawn[0].factor != drawn[2].factor
    assert float(drawn[0].keep.mean()) == pytest.approx(0.7, abs=0.05)
    x = torch.rand(3, 2000)
    torch.testing.assert_close(torch.expm1(drawn[0](x)), torch.expm1(x) * drawn[0].factor * drawn[0].keep)
