"""safetensors files round-trip, here and with the format's own library."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file, save_file

from explorer.errors import BundleError, RunError
from explorer.runs.io.safetensors_io import DTYPES, SafetensorsFile, read_header
from explorer.runs.io.safetensors_write import write_safetensors

arrays = st.sampled_from(sorted(DTYPES)).flatmap(
    lambda name: hnp.arrays(DTYPES[name], hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
)
tables = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"), arrays, max_size=5
)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(table=tables)
def test_round_trip(tmp_path: Path, table: dict[str, np.ndarray]) -> None:
    path = tmp_path / "any.safetensors"
    write_safetensors(path, table)
    with SafetensorsFile(path) as opened:
        for name, array in table.items():
            np.testing.assert_array_equal(opened.read(name, finite=False), array)
            assert opened.info(name).start % array.dtype.itemsize == 0
    theirs = load_file(path)
    assert theirs.keys() == table.keys()
    for name, array in table.items():
        np.testing.assert_array_equal(theirs[name], array)


@quick
@given(table=tables.map(lambda table: {name: np.atleast_1d(array) for name, array in table.items()}))
def test_files_of_the_library_are_read(tmp_path: Path, table: dict[str, np.ndarray]) -> None:
    path = tmp_path / "theirs.safetensors"
    save_file(table, path)
    with SafetensorsFile(path) as opened:
        for name, array in table.items():
            np.testing.assert_array_equal(opened.read(name, finite=False), array)


@quick
@given(
    array=hnp.arrays(np.float32, (6, 3), elements=st.floats(-9, 9, width=32)), rows=st.tuples(*2 * [st.integers(0, 6)])
)
def test_rows(tmp_path: Path, array: np.ndarray, rows: tuple[int, int]) -> None:
    start, stop = sorted(rows)
    write_safetensors(tmp_path / "rows.safetensors", {"other": np.arange(5), "array": array})
    with SafetensorsFile(tmp_path / "rows.safetensors") as opened:
        np.testing.assert_array_equal(opened.read_rows("array", start, stop), array[start:stop])


def test_rows_out_of_range(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "rows.safetensors", {"array": np.zeros((4, 2))})
    with SafetensorsFile(tmp_path / "rows.safetensors") as opened:
        for start, stop in ((-1, 2), (0, 5), (3, 2)):
            with pytest.raises(RunError, match="rows"):
                opened.read_rows("array", start, stop)


def test_same_arrays_give_the_same_bytes(tmp_path: Path) -> None:
    table = {"b": np.arange(3, dtype=np.uint8), "a": np.ones((2, 2), np.float32), "c": np.arange(2)}
    first = write_safetensors(tmp_path / "first", table)
    second = write_safetensors(tmp_path / "second", dict(reversed(table.items())))
    assert first == second
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_byte_order_and_memory_layout_do_not_change_the_file(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    plain = write_safetensors(tmp_path / "plain", {"a": array})
    assert write_safetensors(tmp_path / "big", {"a": array.astype(">f4")}) == plain
    assert write_safetensors(tmp_path / "fortran", {"a": np.asfortranarray(array)}) == plain


def test_expected_type_and_shape_are_checked(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "one", {"a": np.zeros((3, 2), np.float32)})
    with SafetensorsFile(tmp_path / "one", error=BundleError) as opened:
        assert opened.read("a", dtype=("F16", "F32"), shape=("token", 2)).shape == (3, 2)
        for wanted in ({"dtype": "F16"}, {"shape": (3,)}, {"shape": ("token", 3)}, {"shape": (None, None, None)}):
            with pytest.raises(BundleError, match="one: found 'a' of"):
                opened.read("a", **wanted)
        with pytest.raises(BundleError, match="no tensor 'b'"):
            opened.read("b")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_numbers_are_refused(tmp_path: Path, bad: float) -> None:
    write_safetensors(tmp_path / "one", {"a": np.array([0.0, bad])})
    with SafetensorsFile(tmp_path / "one") as opened:
        with pytest.raises(RunError, match="one: found NaN or infinity in 'a', wanted finite numbers"):
            opened.read("a")
        assert len(opened.read("a", finite=False)) == 2


def test_a_file_truncated_while_open(tmp_path: Path) -> None:
    path = tmp_path / "shrinks"
    write_safetensors(path, {"a": np.zeros(100_000)})
    with SafetensorsFile(path) as opened:
        with path.open("r+b") as other:
            other.truncate(50_000)
        with pytest.raises(RunError, match="a file that ends at byte 50000"):
            opened.read("a")


def test_the_header_is_read_without_tensors(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "one", {"a": np.zeros((3, 2), np.float32)}, {"key": "k"})
    header = read_header(tmp_path / "one")
    assert header.tensors["a"].shape == (3, 2)
    assert header.metadata == {"key": "k"}


def test_unsupported_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="complex"):
        write_safetensors(tmp_path / "one", {"a": np.zeros(2, np.complex64)})
    assert list(tmp_path.iterdir()) == []
