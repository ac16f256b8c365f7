"""Writes pixels as a PNG (ISO/IEC 15948): 8 bits a channel, with transparency, rows not filtered."""

import struct
import zlib

import numpy as np
from jaxtyping import UInt8

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGBA = 6
"""Colour type."""


def encode_png(pixels: UInt8[np.ndarray, "row column rgba"]) -> bytes:
    """A picture's file; the same pixels give the same bytes under one zlib."""
    rows, columns, _ = pixels.shape
    header = struct.pack(">IIBBBBB", columns, rows, 8, RGBA, 0, 0, 0)
    unfiltered = np.zeros((rows, 1 + 4 * columns), np.uint8)
    unfiltered[:, 1:] = pixels.reshape(rows, 4 * columns)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(unfiltered.tobytes(), 6)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
