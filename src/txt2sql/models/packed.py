"""Linear layers whose weights lie in memory as the processor's matrix kernel reads them.

A token of a small model costs less arithmetic than finding its operands: oneDNN rearranges the weights
of a bfloat16 layer in every call, unless they were rearranged once before ("prepacked", as
TorchInductor does). The sums are the same, bit for bit, in about half of the time for one row.

>>> model = pack(model)  # doctest: +SKIP
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_LARGEST = 200_000_000
"""Parameters: the weights are kept twice, which is only worth it where they are small."""


class PackedLinear(nn.Linear):
    """A layer that is packed for inference; with gradients it computes as it did before."""

    packed: torch.Tensor

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(..., in_features) -> (..., out_features)."""
        if torch.is_grad_enabled():
            return super().forward(input)
        found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            input, self.packed, self.bias, "none", [], ""
        )
        return found


def pack(model: Any) -> Any:
    """The model with its layers packed, where that helps: small, in bfloat16, on a processor that has it.

    The weights are read now: a change of them later is not seen.
    """
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return model
    if sum(parameter.numel() for parameter in model.parameters()) > _LARGEST:
        return model
    for layer in model.modules():
        weight = getattr(layer, "weight", None)
        if type(layer) is not nn.Linear or weight is None:
            continue
        if weight.device.type == "cpu" and weight.dtype is torch.bfloat16:
            layer.__class__ = PackedLinear
            layer.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), 1)
    return model
