# SPDX-License-Identifier: Apache-2.0
"""W1.58A8: what the forward pass rounds, and straight-through gradients (Ma et al. 2024,
"The Era of 1-bit LLMs", with the scales of the BitNet b1.58 training notes)."""
import torch
from torch.autograd import Function

EPS = 1e-5


def scale_of(weight):
    """absmean, rounded to bfloat16: so every GGUF type holds it exactly."""
    mean = weight.norm(1) / weight.numel()
    return mean.clamp_min(EPS).to(torch.bfloat16).float()


def ternary(weight):
    """(-1, 0 or +1 as float, scale)."""
    scale = scale_of(weight)
    return (weight / scale).round_().clamp_(-1, 1), scale


class Weights(Function):
    """The ternary weights times their scale; gradients pass as if nothing had been rounded."""

    @staticmethod
    def forward(ctx, weight, dtype):
        codes, scale = ternary(weight)
        return codes.mul_(scale).to(dtype)

    @staticmethod
    def backward(ctx, grad):
        return grad.float(), None


def int8_of(y):
    """Rounded to 8 bits by each row's largest magnitude, half to even; still float."""
    largest = torch.maximum(y.amax(-1, keepdim=True), -y.amin(-1, keepdim=True)).clamp_min_(EPS)
    return (y * (127.0 / largest)).round_().mul_(largest / 127.0)


class NormQuantize(Function):
    """RMS norm, then (with `bits8`) rounding to int8: one function, as both are memory-bound.
    x: [..., d] any float type.  Returns [..., d] in `dtype`."""

    @staticmethod
    def forward(ctx, x, gain, eps, bits8, dtype):
        wide = x.float()
        r = wide.square().mean(-1, keepdim=True).add_(eps).rsqrt_()
        y = (wide * r).mul_(gain)
        ctx.save_for_backward(x, gain, r)
        return (int8_of(y) if bits8 else y).to(dtype)

    @staticmethod
    def backward(ctx, grad):
        x, gain, r = ctx.saved_tensors
        grad, x = grad.float(), x.float() * r
        for_gain = (grad * x).flatten(0, -2).sum(0)
        grad = grad * gain
        out = grad.sub_(x * (grad * x).mean(-1, keepdim=True)).mul_(r)
        return out.to(ctx.saved_tensors[0].dtype), for_gain, None, None, None


class GatedTopK(Function):
    """h = a * up with a = relu(gate)^2, of which only the k largest stay (k 0: all).
    The gradient passes through what stayed, as Q-Sparse (Wang et al. 2024) has it."""

    @staticmethod
    def forward(ctx, gate, up, k):
        r = gate.relu()
        if 0 < k < gate.shape[-1]:
            least = r.float().topk(k, dim=-1, sorted=False).values.amin(-1, keepdim=True)
            r = r * (r >= least.to(r.dtype))
        ctx.save_for_backward(r, up)
        return r.square() * up

    @staticmethod
    def backward(ctx, grad):
        r, up = ctx.saved_tensors
        return (grad * up).mul_(r).mul_(2), grad * r.square(), None
