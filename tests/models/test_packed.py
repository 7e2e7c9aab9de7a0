"""Packed layers compute what the layers did, and still learn."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from txt2sql.models.packed import PackedLinear, pack

pytestmark = pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="this processor has no bfloat16"
)


def two_layers(dtype: torch.dtype = torch.bfloat16) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(24, 40), nn.GELU(), nn.Linear(40, 7, bias=False)).to(dtype)


@pytest.mark.parametrize("rows", [(1, 24), (5, 24), (2, 3, 24)])
def test_the_same_numbers_bit_for_bit(rows: tuple[int, ...]) -> None:
    inputs = torch.randn(*rows, dtype=torch.bfloat16)
    with torch.inference_mode():
        expected = two_layers()(inputs)
        model = pack(two_layers())
        assert isinstance(model[0], PackedLinear) and isinstance(model[2], PackedLinear)
        assert torch.equal(model(inputs), expected)


def test_gradients_see_the_weights_as_they_are() -> None:
    model = pack(two_layers())
    inputs = torch.randn(5, 24, dtype=torch.bfloat16)
    with torch.no_grad():
        model[2].weight.zero_()
    out = model(inputs)
    assert not out.any()
    out.sum().backward()
    assert model[2].weight.grad.any()


def test_only_bfloat16_layers_are_packed() -> None:
    assert not any(isinstance(layer, PackedLinear) for layer in pack(two_layers(torch.float32)))


def test_a_packed_model_is_saved_as_it_was() -> None:
    assert pack(two_layers()).state_dict().keys() == two_layers().state_dict().keys()
