"""How attention.npz was made: outputs and gradients of PyTorch 2.13 in float64 (`python make_attention.py`, run once, where torch is)."""

import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional

WIDTH = 8
torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
stored = {}


def put(prefix, **values):
    stored.update({f"{prefix}/{name}": value.detach().numpy() for name, value in values.items()})


def dot_product(name, *, masked=False, causal=False):
    q, k, v = (torch.randn(2, 3, *shape, requires_grad=True) for shape in ((5, 4), (7, 4), (7, 6)))
    mask = None
    if masked:
        mask = torch.rand(2, 1, 5, 7) > 0.4
        mask[..., 0] = True
        put(name, mask=mask)
    y = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
    g = torch.randn_like(y)
    y.backward(g)
    put(name, q=q, k=k, v=v, y=y, g=g, gq=q.grad, gk=k.grad, gv=v.grad)


def several_heads(name):
    layer = nn.MultiheadAttention(WIDTH, 2, kdim=6, vdim=10, batch_first=True)
    nn.init.normal_(layer.in_proj_bias)
    nn.init.normal_(layer.out_proj.bias)
    q, k, v = torch.randn(3, 4, WIDTH), torch.randn(3, 5, 6), torch.randn(3, 5, 10)
    absent = torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [0, 1, 0, 1, 0]]).bool()
    y, weights = layer(q, k, v, key_padding_mask=absent, average_attn_weights=False)
    put(name, q=q, k=k, v=v, attends=~absent, y=y, weights=weights)
    kernels = layer.q_proj_weight, layer.k_proj_weight, layer.v_proj_weight, layer.out_proj.weight
    biases = *layer.in_proj_bias.split(WIDTH), layer.out_proj.bias
    for part, kernel, bias in zip(("query", "key", "value", "output"), kernels, biases, strict=True):
        put(f"{name}/params", **{f"{part}_kernel": kernel.T, f"{part}_bias": bias})


def parameters(name, layer, norms, attentions):
    for tag, attention in attentions.items():
        nn.init.normal_(attention.in_proj_bias)
        kernels = (*attention.in_proj_weight.split(WIDTH), attention.out_proj.weight)
        biases = (*attention.in_proj_bias.split(WIDTH), attention.out_proj.bias)
        for part, kernel, bias in zip(("query", "key", "value", "output"), kernels, biases, strict=True):
            put(f"{name}/params/{tag}", **{f"{part}_kernel": kernel.T, f"{part}_bias": bias})
    for tag, norm in norms.items():
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
        put(f"{name}/params/{tag}", gamma=norm.weight, beta=norm.bias)
    for tag, dense in (("intermediate", layer.linear1), ("output", layer.linear2)):
        put(f"{name}/params/{tag}", kernel=dense.weight.T, bias=dense.bias)


def encoder(name, *, first):
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 16, 0.0, activation="gelu", batch_first=True, norm_first=first)
    x = torch.randn(2, 5, WIDTH, requires_grad=True)
    absent = torch.tensor([[0, 0, 0, 0, 1], [0, 0, 1, 1, 1]]).bool()
    norms = {"self_attention_norm": layer.norm1, "feedforward_norm": layer.norm2}
    parameters(name, layer, norms, {"self_attention": layer.self_attn})
    y = layer(x, src_key_padding_mask=absent)
    g = torch.randn_like(y)
    y.backward(g)
    put(name, x=x, attends=~absent, y=y, g=g, gx=x.grad)


def decoder(name, *, first):
    layer = nn.TransformerDecoderLayer(WIDTH, 2, 16, 0.0, batch_first=True, norm_first=first)
    x, memory = torch.randn(2, 5, WIDTH, requires_grad=True), torch.randn(2, 3, WIDTH, requires_grad=True)
    norms = {"self_attention_norm": layer.norm1, "cross_attention_norm": layer.norm2, "feedforward_norm": layer.norm3}
    parameters(name, layer, norms, {"self_attention": layer.self_attn, "cross_attention": layer.multihead_attn})
    y = layer(x, memory, tgt_mask=nn.Transformer.generate_square_subsequent_mask(5), tgt_is_causal=True)
    g = torch.randn_like(y)
    y.backward(g)
    put(name, x=x, memory=memory, y=y, g=g, gx=x.grad, gmemory=memory.grad)


dot_product("plain")
dot_product("causal", causal=True)
dot_product("masked", masked=True)
several_heads("heads")
for first in (False, True):
    encoder(f"encoder_{first}", first=first)
    decoder(f"decoder_{first}", first=first)
norm = nn.RMSNorm(6, eps=1e-6)
nn.init.normal_(norm.weight)
x = torch.randn(3, 4, 6)
put("rms", x=x, scale=norm.weight, y=norm(x))
np.savez_compressed(pathlib.Path(__file__).with_name("attention.npz"), **stored)
