# SPDX-License-Identifier: Apache-2.0
"""A trained network as a GGUF file that tern runs: architecture `smdr`, vocabulary inside."""
import numpy as np
import torch

from smdr import gguf
from smdr.corpus import MARK_ID
from smdr.network import NORM_EPS, ROPE_BASE
from smdr.quantize import ternary

NORMAL, CONTROL, BYTE = 1, 3, 6


def architecture(out, config):
    """The keys of docs/formats/smdr.md."""
    def key(name, value):
        out.key(f"smdr.{name}", value)

    kinds = config["kinds"]
    key("context_length", config["context"])
    key("embedding_length", config["width"])
    key("block_count", config["blocks"])
    key("feed_forward_length", config["ff"])
    key("vocab_size", config["vocab"])
    key("attention.head_count", config["heads"])
    key("attention.head_count_kv", config["heads"])
    key("attention.layer_norm_rms_epsilon", NORM_EPS)
    key("rope.freq_base", ROPE_BASE)
    key("rope.dimension_count", config["width"] // config["heads"])
    key("attention.kinds", kinds)
    if "torus" in kinds:
        key("attention.torus_side", config["torus_side"])
        key("attention.torus_radius", config["torus_radius"])
    if {"window", "strided", "random"} & set(kinds):
        key("attention.key_budget", config["key_budget"])
    if "strided" in kinds:
        key("attention.stride", config["stride"])
    if "random" in kinds:
        key("attention.random_seed", config["random_seed"])
    if config["sink_tokens"]:
        key("attention.sink_tokens", config["sink_tokens"])
    if config["top_k"]:
        key("feed_forward.top_k", config["top_k"])
    key("feed_forward.activation", "relu2")


def vocabulary(out, tokenizer):
    tokens, merges = tokenizer.vocabulary()
    types = np.full(len(tokens), NORMAL, dtype=np.int32)
    types[MARK_ID] = CONTROL
    out.key("tokenizer.ggml.model", "gpt2")
    out.key("tokenizer.ggml.pre", "gpt-2")
    out.key("tokenizer.ggml.tokens", tokens)
    out.key("tokenizer.ggml.token_type", types)
    out.key("tokenizer.ggml.merges", merges)
    out.key("tokenizer.ggml.bos_token_id", MARK_ID)
    out.key("tokenizer.ggml.eos_token_id", MARK_ID)
    out.key("tokenizer.ggml.add_bos_token", True)


def ternary_type(config):
    """The smallest type whose blocks divide the rows."""
    wide = config["width"] % 256 == 0 and config["ff"] % 256 == 0
    return "TQ1_0" if wide else "IQ2_BN"


@torch.no_grad()
def tensors(out, network, embedding, dense):
    config = network.config
    kind = ternary_type(config)

    def matrix(name, m):
        if m.ternary:
            codes, scale = ternary(m.weight)
            out.ternary(name, codes.numpy(), scale.item(), kind)
        else:
            out.tensor(name, m.weight.numpy(), dense)

    out.tensor("token_embd.weight", network.embed.numpy(), embedding)
    for i, block in enumerate(network.blocks):
        for name, norm in (("attn_norm", block.attn_norm), ("attn_sub_norm", block.attn_sub_norm),
                           ("ffn_norm", block.ffn_norm), ("ffn_sub_norm", block.ffn_sub_norm)):
            out.tensor(f"blk.{i}.{name}.weight", norm.weight.numpy(), "F32")
        for name, m in (("attn_q", block.q), ("attn_k", block.k), ("attn_v", block.v),
                        ("attn_output", block.o), ("ffn_gate", block.gate), ("ffn_up", block.up),
                        ("ffn_down", block.down)):
            matrix(f"blk.{i}.{name}.weight", m)
    out.tensor("output_norm.weight", network.norm.numpy(), "F32")


def export(network, tokenizer, path, about, embedding="Q8_0", dense="F32"):
    """`about`: general.* keys without their prefix (name, license, description ...).
    `embedding`: type of the embeddings; `dense`: of the matrices that are not ternary."""
    out = gguf.Writer()
    out.key("general.architecture", "smdr")
    for name, value in about.items():
        out.key(f"general.{name}", value)
    architecture(out, network.config)
    vocabulary(out, tokenizer)
    tensors(out, network, embedding, dense)
    out.write(path)
