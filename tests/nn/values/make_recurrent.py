"""How recurrent.json was made: values of PyTorch 2.13 in float64 (`python make_recurrent.py`, run once, where torch is)."""

import json
from pathlib import Path

import torch

N, T, F, U = 2, 5, 3, 4
ABOUT = (
    "Values of torch.nn.LSTM and torch.nn.GRU of PyTorch 2.13 (batch_first, float64): outputs and gradients of "
    "sum(y * coefficients) + sum(last states); gates by the formulas of its documentation from the same weights. "
    "Rows of weights are in PyTorch's order: LSTM i, f, g, o; GRU r, z, n."
)
torch.manual_seed(3)
torch.set_default_dtype(torch.float64)


def gates_of(name, layer, x, h, c, y):
    """The gates step by step; their outputs must be the layer's own."""
    kept = []
    for t in range(T):
        a = x[:, t] @ layer.weight_ih_l0.T + layer.bias_ih_l0
        b = h @ layer.weight_hh_l0.T + layer.bias_hh_l0
        if name == "LSTM":
            i, f, g, o = (a + b).chunk(4, 1)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            c = f * c + i * g
            h = o * c.tanh()
            kept.append([i, f, g, o])
        else:
            (ar, az, an), (hr, hz, hn) = a.chunk(3, 1), b.chunk(3, 1)
            r, z = (ar + hr).sigmoid(), (az + hz).sigmoid()
            n = (an + r * hn).tanh()
            h = (1 - z) * n + z * h
            kept.append([r, z, n])
        torch.testing.assert_close(h, y[:, t])
    return [torch.stack(steps, 1).tolist() for steps in zip(*kept, strict=True)]


def values(name):
    layer = getattr(torch.nn, name)(F, U, batch_first=True)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn(p.shape) * 0.6)
    x = torch.randn(N, T, F).requires_grad_()
    coefficients, h0, c0 = torch.randn(N, T, U), torch.randn(N, U) * 0.5, torch.randn(N, U) * 0.5
    y, last = layer(x, (h0[None], c0[None]) if name == "LSTM" else h0[None])
    lasts = last if name == "LSTM" else (last,)
    ((y * coefficients).sum() + sum(s.sum() for s in lasts)).backward()
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    weights = {n: getattr(layer, n + "_l0") for n in names}
    return {
        "x": x.tolist(), "h0": h0.tolist(), "c0": c0.tolist(), "coefficients": coefficients.tolist(),
        **{n: w.tolist() for n, w in weights.items()},
        "y": y.tolist(), "last": [s[0].tolist() for s in lasts], "gates": gates_of(name, layer, x, h0, c0, y),
        "gradients": {"x": x.grad.tolist(), **{n: w.grad.tolist() for n, w in weights.items()}},
    }  # fmt: skip


def rounded(v):
    if isinstance(v, dict):
        return {k: rounded(a) for k, a in v.items()}
    return [rounded(a) for a in v] if isinstance(v, list) else round(v, 9)


stored = {"about": ABOUT, **{name: rounded(values(name)) for name in ("LSTM", "GRU")}}
(Path(__file__).parent / "recurrent.json").write_text(json.dumps(stored, separators=(",", ":")))
