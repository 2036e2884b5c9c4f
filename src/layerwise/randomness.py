"""Randomness keyed by what it is for: the same key gives the same numbers, whatever happened before."""

import hashlib

import torch

__all__ = ["generator", "key"]


def key(*parts: int) -> int:
    """Mix integers into one 63-bit seed, so that (1, 23) and (12, 3) never share a stream.

    Arguments:
        parts: for instance (seed, phase, epoch, step, shard); any size, negative ones too.

    >>> key(0, 1, 2) == key(0, 1, 2), key(0, 1, 2) == key(0, 2, 1)
    (True, False)
    """
    digest = hashlib.blake2b(repr(tuple(map(int, parts))).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(*parts: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator for the given key; the global generator is not touched.

    >>> a, b = (torch.rand(2, generator=generator(7, 1)) for _ in range(2))
    >>> bool((a == b).all())
    True
    """
    return torch.Generator(device).manual_seed(key(*parts))
