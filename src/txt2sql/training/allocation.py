"""Peak memory of one step, by running it on tensors that have shapes and no contents.

The model's own code runs under torch's `FakeTensorMode`, and every operator's result is counted for as
long as something refers to it. So gradient checkpointing, DoRA, grouped-query attention and autocast
are as they are, without a formula for any of them. Kernels' inner scratch space is not seen.

>>> with torch.device("meta"):
...     model = AutoModelForCausalLM.from_config(config)  # doctest: +SKIP
>>> peak_bytes(model, partial(reading_step, batch=1, length=2048))  # doctest: +SKIP
213909504
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only


def peak_bytes(
    model: Any,
    step: Callable[[Any], None],
    quantised: Sequence[nn.Linear] = (),
    device: str = "cuda",
) -> int:
    """The most bytes that live at one time of a step, beside parameters, buffers and gradients.

    `model` is on the meta device and is changed. Layers in `quantised` are multiplied as bitsandbytes
    does; on "cuda" autocast keeps more operators in float32 than on "cpu".
    """
    for module in quantised:
        module.forward = partial(_dequantised, module)  # type: ignore[method-assign]
    with FakeTensorMode(allow_non_fake_inputs=True):
        held = _without_contents(model)
        with Live(held) as live, CudaAutocast() if device == "cuda" else nullcontext():
            step(model)
    return int(live.peak)


def training_step(model: Any, *, batch: int, length: int, answer: int, checkpointing: bool) -> None:
    """Forwards and backwards in bfloat16, the output layer on the answers alone."""
    model.train()
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    if checkpointing:
        inner.activation_checkpointing_enable({"use_reentrant": False})
        inner.enable_input_require_grads()
    with torch.autocast("cpu", torch.bfloat16):
        logits = _logits(inner, batch, length, answer)
        targets = torch.empty(logits.shape[:-1], dtype=torch.long)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())
    del logits
    # `loss.backward()`, but under CudaAutocast, which checkpointing needs: it runs layers again.
    torch.autograd.Variable._execution_engine.run_backward(
        (loss,), (torch.ones_like(loss),), False, False, (), True, True
    )


def reading_step(model: Any, *, batch: int, length: int) -> None:
    """The prompt in one pass, logits of its last token."""
    with torch.inference_mode():
        _logits(model.eval(), batch, length, 1)


def _logits(model: Any, batch: int, length: int, last: int) -> Tensor:
    inputs = torch.empty((batch, length), dtype=torch.long)
    # Without contents transformers cannot tell that a mask is not needed, so there is one.
    hidden = model.base_model(input_ids=inputs, use_cache=False).last_hidden_state
    head = getattr(model, "cls", None) or model.get_output_embeddings()
    logits: Tensor = head(hidden[:, -last:])
    return logits


def _without_contents(model: Any) -> list[Tensor]:
    """Put the model's meta tensors on a pretended CPU, with gradients; returns all of them."""
    held: list[Tensor] = []
    for module in model.modules():
        for stored in (module._parameters, module._buffers):
            for name, old in stored.items():
                if old is None:
                    continue
                new = torch.empty(old.shape, dtype=old.dtype)
                if isinstance(old, nn.Parameter):
                    new = nn.Parameter(new, requires_grad=old.requires_grad)
                stored[name] = new
                held.append(new)
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    inner.tie_weights()
    for tensor in list(held):
        if tensor.requires_grad:
            tensor.grad = torch.empty_like(tensor)
            held.append(tensor.grad)
    return held


class Live(TorchDispatchMode):
    """Counts the bytes of what operators return for as long as it is referred to; `peak` is the most.

    Storages of `held` tensors do not count.
    """

    def __init__(self, held: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._sizes = {tensor.untyped_storage()._cdata: 0 for tensor in held}
        self.now = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: Any) -> None:
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._freed, key).atexit = False

    def _freed(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


class CudaAutocast(TorchFunctionMode):
    """Operators of these models that autocast computes in float32 on CUDA and not on a CPU.

    The full list: https://docs.pytorch.org/docs/stable/amp.html
    """

    _FLOAT32 = frozenset("pow layer_norm norm linalg_norm linalg_vector_norm softmax".split())

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in self._FLOAT32 and torch.is_autocast_enabled("cpu"):
            args, kwargs = tree_map_only(Tensor, Tensor.float, (args, kwargs))
        return func(*args, **kwargs)


class _FourBitProduct(torch.autograd.Function):
    """As bitsandbytes: the weights become bfloat16 for one product, forwards and again backwards."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return nn.functional.linear(inputs, torch.empty_like(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] @ torch.empty_like(ctx.saved_tensors[0]), None


def _dequantised(module: nn.Linear, inputs: Tensor) -> Tensor:
    product: Tensor = _FourBitProduct.apply(  # type: ignore[no-untyped-call]
        inputs.to(module.weight.dtype), module.weight
    )
    result = product if module.bias is None else product + module.bias
    return result.to(inputs.dtype)
