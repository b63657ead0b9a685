"""The transformer over genes and values of scGPT, with the names of its weights; loaded only when one is read."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LARGEST = 512  # values are cut here, as by its authors


class _Genes(nn.Module):
    def __init__(self, n_tokens: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_tokens, width)
        self.enc_norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.enc_norm(self.embedding(tokens))


class _Values(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(1, width), nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, values: Tensor) -> Tensor:
        hidden = torch.relu(self.linear1(values.clamp(max=_LARGEST).unsqueeze(-1)))
        return self.norm(self.linear2(hidden))


class GeneTransformer(nn.Module):
    """Sum of gene and value embeddings, and post-norm transformer layers over them; the order of genes says nothing."""

    def __init__(self, n_tokens: int, width: int, n_heads: int, n_hidden: int, n_layers: int) -> None:
        super().__init__()
        self.encoder, self.value_encoder = _Genes(n_tokens, width), _Values(width)
        layer = nn.TransformerEncoderLayer(width, n_heads, n_hidden, batch_first=True)
        self.transformer_encoder = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)

    def forward(self, tokens: Tensor, values: Tensor, padding: Tensor) -> Tensor:
        """Return the output (n, length, width) for tokens and values (n, length); what is padding is True."""
        x = self.encoder(tokens) + self.value_encoder(values)
        return self.transformer_encoder(x, src_key_padding_mask=padding)


def gene_transformer(n_tokens: int, width: int, n_heads: int, n_hidden: int, n_layers: int) -> GeneTransformer:
    """Return a network without weights: nothing is drawn from the random stream, nothing is allocated."""
    with torch.device("meta"):
        return GeneTransformer(n_tokens, width, n_heads, n_hidden, n_layers)
