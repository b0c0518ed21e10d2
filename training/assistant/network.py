"""The decoder: pre-norm attention with rotary positions on part of each head, squared ReLU, tied embeddings."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.assistant.shape import Shape


class Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), self.weight, 1e-6)


class Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        d = shape.width
        self.shape = shape
        self.attention_norm, self.mlp_norm = Norm(d), Norm(d)
        self.q, self.k, self.v = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d, bias=False)
        self.o = nn.Linear(d, d, bias=False)
        self.up, self.down = nn.Linear(d, shape.inner, bias=False), nn.Linear(shape.inner, d, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """``x (b, t, d)``; attention looks back only."""
        y = self.attention_norm(x)
        b, t, d = x.shape
        q, k, v = (f(y).view(b, t, self.shape.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        seen = functional.scaled_dot_product_attention(turned(q, cos, sin), turned(k, cos, sin), v, is_causal=True)
        x = x + self.o(seen.transpose(1, 2).reshape(b, t, d))
        return x + self.down(functional.relu(self.up(self.mlp_norm(x))).square())


class Decoder(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width)

    def hidden(self, ids: Tensor) -> Tensor:
        """``(b, t) -> (b, t, d)``, ready for ``logits``."""
        cos, sin = angles(self.shape, ids.shape[1])
        x = self.embedding(ids) * math.sqrt(self.shape.width)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        return functional.linear(hidden, self.embedding.weight)

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Mean surprisal in nats of the targets that are not -1."""
        at = targets >= 0
        return functional.cross_entropy(self.logits(self.hidden(ids)[at]).float(), targets[at])


def frequencies(shape: Shape) -> Tensor:
    half = shape.rotary // 2
    return shape.base ** (-torch.arange(half) / half)


def angles(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines ``(t, rotary/2)`` of each position."""
    turns = torch.outer(torch.arange(length).float(), frequencies(shape))
    return turns.cos(), turns.sin()


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """``(b, h, t, head)`` with its first dimensions turned by their position."""
    half = cos.shape[-1]
    a, b, rest = x[..., :half].float(), x[..., half : 2 * half].float(), x[..., 2 * half :]
    return torch.cat(((a * cos - b * sin).to(x.dtype), (b * cos + a * sin).to(x.dtype), rest), -1)


@torch.no_grad()
def begin(model: Decoder, seed: int) -> None:
    """Weights to start from, with the circuit that copies already laid out.

    In the first layer two heads look at the token before and one at the token before that (biases of q and k that peak
    at that distance); two heads of the second find where the same token stood before and pass on what followed. Left
    to themselves such induction heads take most of a small run to form (Olsson et al. 2022, arXiv 2209.11895).
    """
    torch.manual_seed(seed)
    shape, d, n = model.shape, model.shape.width, model.shape.head
    model.embedding.weight.normal_(std=1.0)
    for layer in model.layers:
        for linear in (layer.q, layer.k, layer.v, layer.up):
            linear.weight.normal_(std=0.7 / math.sqrt(d))
        layer.q.bias.zero_()
        layer.k.bias.zero_()
        layer.o.weight.normal_(std=0.3 / math.sqrt(d * shape.layers))
        layer.down.weight.normal_(std=0.3 / math.sqrt(shape.inner * shape.layers))
    model.embedding.weight.div_(model.embedding.weight.norm(dim=1, keepdim=True))
    basis = torch.linalg.qr(torch.randn(d, d))[0]  # orthonormal rows: directions of the residual stream
    first, second = model.layers[0], model.layers[1]
    for head, back in ((0, 1), (1, 1), (2, 2)):
        rows = slice(head * n, head * n + n)
        look_back(first, rows, back)
        first.v.weight[rows] = basis[head * n : head * n + n]
        # What is read of the token before is written where the next head reads: a rotation of it.
        first.o.weight[:, rows] = 0.7 * basis[torch.arange(head * n, head * n + n) - n].T
    content = slice(shape.rotary, n)
    for head in (0, 1):
        at = torch.arange(head * n, head * n + n)
        second.q.weight[at], second.k.weight[at] = 0.02 * second.q.weight[at], 0.02 * second.k.weight[at]
        size = 1.6
        second.q.weight[at[content]] = size * basis[at[content]]
        second.k.weight[at[content]] = size * basis[at[content] - n]
        second.v.weight[at] = basis[2 * n + at]
        second.o.weight[:, at] = basis[2 * n + at].T


def look_back(layer: Layer, rows: slice, back: int) -> None:
    """Make a head look ``back`` tokens, whatever stands there."""
    shape = layer.shape
    half = shape.rotary // 2
    turn = back * frequencies(shape)
    strength = torch.tensor([9.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0])[:half] * 1.3
    for weight in (layer.q.weight, layer.k.weight):
        weight[rows] *= 0.02
    start = rows.start
    # q at t turned by t, k at j turned by j: the product peaks where t - j is `back`.
    layer.k.bias[start : start + half] = strength
    layer.q.bias[start : start + half] = strength * turn.cos()
    layer.q.bias[start + half : start + 2 * half] = -strength * turn.sin()
