"""Malicious safetensors files are refused by their header, before anything is allocated."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from explorer.errors import RunError
from explorer.runs.io.files import read_small
from explorer.runs.io.safetensors_io import MAX_HEADER, SafetensorsFile, read_header
from explorer.runs.io.safetensors_write import write_safetensors


def raw(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def one(dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8), **more: object) -> dict[str, object]:
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}}


HUGE = 1 << 40
HEADERS = {
    "no header": b"",
    "short length": b"\x01\x02",
    "header beyond the file": struct.pack("<Q", 1000) + b"{}",
    "header of 2^63 bytes": struct.pack("<Q", 1 << 63) + b"{}",
    "not JSON": raw(b"{]"),
    "not UTF-8": raw(b'{"\xff": 1}'),
    "a list": raw([]),
    "deep": raw(b"[" * 100_000 + b"]" * 100_000),
    "deep below a tensor": raw(b'{"a": ' + b'{"a": ' * 5000 + b"1" + b"}" * 5001),
    "repeated key": raw(b'{"a": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0], "dtype": "I8"}}'),
    "repeated tensor": raw(b'{"a": %s, "a": %s}' % (2 * (b'{"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}',))),
    "NaN": raw(b'{"a": NaN}'),
    "number of 5000 digits": raw(b'{"a": ' + b"9" * 5000 + b"}"),
    "too many tensors": raw({str(k): {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for k in range(5000)}),
    "long name": raw({"x" * 300: {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}}),
    "a tensor that is a number": raw({"a": 3}),
    "no shape": raw({"a": {"dtype": "U8", "data_offsets": [0, 0]}}),
    "one more key": raw(one(code="print()"), bytes(8)),
    "unknown type": raw(one(dtype="PICKLE"), bytes(8)),
    "type that is a list": raw(one(dtype=["F32"]), bytes(8)),
    "huge shape": raw(one(shape=[HUGE, HUGE]), bytes(8)),
    "shape that wraps around": raw(one(shape=[1 << 62, 4]), bytes(8)),
    "negative length": raw(one(shape=[-2]), bytes(8)),
    "length that is true": raw(one(dtype="U8", shape=[True], offsets=[0, 1]), bytes(1)),
    "length that is no whole number": raw(one(shape=[2.0]), bytes(8)),
    "nine axes": raw(one(shape=[1] * 8 + [2]), bytes(8)),
    "offsets beyond the file": raw(one(shape=[HUGE], offsets=[0, 4 * HUGE]), bytes(8)),
    "offsets backwards": raw(one(offsets=[8, 0]), bytes(8)),
    "three offsets": raw(one(offsets=[0, 8, 8]), bytes(8)),
    "fewer bytes than the shape": raw(one(offsets=[0, 4]), bytes(4)),
    "a hole before": raw(one(offsets=[4, 12]), bytes(12)),
    "bytes left over": raw(one(), bytes(9)),
    "file cut short": raw(one(), bytes(7)),
    "overlap": raw({**one(), "b": one()["a"]}, bytes(8)),
    "metadata that is no table": raw({"__metadata__": [1]}),
    "metadata of numbers": raw({"__metadata__": {"a": 1}}),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(HEADERS[name])
    with pytest.raises(RunError) as caught:
        read_header(path)
    assert str(caught.value).startswith(f"{path}: found ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_the_largest_header(tmp_path: Path) -> None:
    path = tmp_path / "sparse.safetensors"
    with path.open("wb") as out:
        out.write(struct.pack("<Q", MAX_HEADER + 1))
        out.truncate(1 << 30)
    with pytest.raises(RunError, match="a header of"):
        read_header(path)


def test_symbolic_link(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "real", {"a": np.zeros(2)})
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(RunError, match="found a symbolic link"):
        read_header(tmp_path / "link")


def test_link_in_a_parent_folder(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    write_safetensors(tmp_path / "outside" / "a", {"a": np.zeros(2)})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "clusters").symlink_to(tmp_path / "outside")
    with pytest.raises(RunError), SafetensorsFile(tmp_path / "run" / "clusters" / "a", within=tmp_path / "run"):
        pass


def test_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RunError, match="found a pipe, wanted a regular file"):
        read_header(tmp_path / "pipe")


def test_folder_and_device(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="found a folder"):
        read_header(tmp_path)
    with pytest.raises(RunError, match="found a device"):
        read_header(Path("/dev/zero"))


@pytest.mark.parametrize("name", ["../secret", "a/../../secret", "/etc/hostname", "", "a//b", "./a", "a\0b"])
def test_paths_that_leave_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(RunError, match="a path inside the folder"):
        read_small(tmp_path / "run", name, 100, RunError)


def test_names_are_escaped_to_one_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(raw({"a\n\x1b[31mred\u2028": {"dtype": "X", "shape": [], "data_offsets": [0, 0]}}))
    with pytest.raises(RunError) as caught:
        read_header(path)
    assert str(caught.value).isprintable()
