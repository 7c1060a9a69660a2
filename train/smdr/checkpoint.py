# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that survive a crash at any moment: written beside, synced, renamed; the one
before is kept, and a damaged file is passed over."""
import hashlib
import io
import os

import torch


def save(path, content):
    """`content` is whatever torch.save takes.  The previous checkpoint becomes PATH.old."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    data = buffer.getvalue()
    with open(path + ".part", "wb") as f:
        f.write(hashlib.sha256(data).digest())
        f.write(data)
        f.flush()
        os.fsync(f.fileno())
    if os.path.exists(path):
        os.replace(path, path + ".old")
    os.replace(path + ".part", path)


def read(path):
    """The content, or None where the file is missing, cut off or changed."""
    try:
        with open(path, "rb") as f:
            digest, data = f.read(32), f.read()
    except FileNotFoundError:
        return None
    if hashlib.sha256(data).digest() != digest:
        return None
    return torch.load(io.BytesIO(data), map_location="cpu")


def latest(path):
    """The newest whole checkpoint: PATH, else PATH.old, else None."""
    for candidate in (path, path + ".old"):
        content = read(candidate)
        if content is not None:
            return content
    return None
