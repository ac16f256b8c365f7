"""Labels of a run's features are written, read, refused if malformed, and optional."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import BundleError, RunError
from explorer.records.bundle import FeatureLabel
from explorer.runs.bundle.sidecars import encode_labels, parse_labels
from explorer.runs.report.check import check
from explorer.runs.run.label_file import MAX_BYTES, LabelTable, check_labels
from explorer.runs.run.reader import open_run
from explorer.runs.run.writer import RunWriter
from tests.planted import LABELS, N_FEATURES, planted_parts, write_parts

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "golden" / "run-v1"
TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
GIVEN = st.lists(st.builds(FeatureLabel, st.integers(0, 9), TEXT, TEXT | st.just("")), max_size=12)


def refusal(found: str, wanted: str) -> RunError:
    return RunError("labels", found, wanted)


def test_labels_round_trip(planted_run: Path) -> None:
    labels = open_run(planted_run).labels()
    assert len(labels) == len(LABELS)
    for feature in range(N_FEATURES):
        assert labels.of(feature) == tuple(one for one in LABELS if one.feature == feature)


def test_an_older_run_without_labels_opens() -> None:
    assert check(GOLDEN).problems == ()
    labels = open_run(GOLDEN).labels()
    assert len(labels) == 0
    assert labels.of(0) == ()


@given(GIVEN)
def test_a_packed_table_is_valid_and_holds_every_label(written: list[FeatureLabel]) -> None:
    table = LabelTable.pack(written)
    check_labels(refusal, table, 10)
    for feature in range(10):
        assert table.of(feature) == tuple(one for one in written if one.feature == feature)


@given(GIVEN)
def test_the_lines_of_a_bundle_round_trip(written: list[FeatureLabel]) -> None:
    data = b"".join(encode_labels(written))
    assert parse_labels(data, Path("labels.jsonl"), 10) == tuple(written)


@given(GIVEN.filter(bool), st.data())
def test_a_table_with_one_changed_byte_is_refused_or_valid(written: list[FeatureLabel], data: st.DataObject) -> None:
    table = LabelTable.pack(written)
    name = data.draw(st.sampled_from(["feature", "source", "text_bytes", "text_offsets", "source_offsets"]))
    array = getattr(table, name).copy()
    flat = array.view(np.uint8)
    flat[data.draw(st.integers(0, len(flat) - 1))] ^= data.draw(st.integers(1, 255))
    other = replace(table, **{name: array})
    try:
        check_labels(refusal, other, 10)
    except RunError:
        return
    read = [one for feature in range(10) for one in other.of(feature)]
    assert len(read) == len(written)
    for one in read:
        assert "\ufffd" not in one.label + one.source or "\ufffd" in str(written)


def changed(name: str, place: int, value: int) -> Callable[[LabelTable], LabelTable]:
    def change(table: LabelTable) -> LabelTable:
        array = getattr(table, name).copy()
        array[place] = value
        return replace(table, **{name: array})

    return change


def with_label(text: str) -> Callable[[LabelTable], LabelTable]:
    return lambda _: LabelTable.pack([FeatureLabel(0, text, "hand")])


BAD: dict[str, Callable[[LabelTable], LabelTable]] = {
    "'feature' from": changed("feature", -1, N_FEATURES),
    "'feature' from -1": changed("feature", 0, -1),
    "decreasing 'feature'": changed("feature", 0, 12),
    "'source' from": changed("source", 0, 3),
    "'text_offsets' from 1": changed("text_offsets", 0, 1),
    "decreasing 'text_offsets'": changed("text_offsets", 1, 5000),
    "'lengths in text_bytes' from 0": with_label(""),
    f"'lengths in text_bytes' from {MAX_BYTES + 1}": with_label("x" * (MAX_BYTES + 1)),
    "'text_bytes' with invalid start byte at byte 0": changed("text_bytes", 0, 0xFF),
    "'text_bytes' split within a character": lambda _: replace(
        LabelTable.pack([FeatureLabel(0, "é", ""), FeatureLabel(1, "x", "")]), text_offsets=np.array([0, 1, 3])
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", BAD)
def test_bad_labels_are_not_published(tmp_path: Path, message: str) -> None:
    parts = planted_parts()
    with (
        pytest.raises(RunError, match=f"run/labels.safetensors: found .*{message}"),
        RunWriter(tmp_path / "run") as writer,
    ):
        write_parts(writer, replace(parts, labels=BAD[message](parts.labels)))
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_or_missing_file_is_reported(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "run") as writer:
        write_parts(writer, planted_parts())
    place = tmp_path / "run" / "labels.safetensors"
    whole = place.read_bytes()
    place.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (problem,) = check(tmp_path / "run").problems
    assert problem.file.endswith("labels.safetensors")
    place.unlink()
    with pytest.raises(RunError, match=r"labels\.safetensors: found nothing there"):
        open_run(tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert manifest["sha256"].pop("labels.safetensors") == hashlib.sha256(whole).hexdigest()
    (tmp_path / "run" / "run.json").write_text(json.dumps(manifest))
    assert check(tmp_path / "run").ok
    assert len(open_run(tmp_path / "run").labels()) == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"feature": 10, "label": "x", "source": "y"}', "found feature 10, wanted less than 10"),
        ('{"feature": -1, "label": "x", "source": "y"}', "found -1 under 'feature', wanted greater than or equal to 0"),
        ('{"feature": 1, "label": "x"}', "found no key 'source', wanted every key that the format names"),
        ('{"feature": 1, "label": 7, "source": "y"}', "found 7 under 'label', wanted a valid string"),
        ('{"feature": 1, "label": "x", "source": "y", "score": 2}', "found the unknown key 'score'"),
        ('{"feature": 1, "label": "' + "x" * 513 + '", "source": "y"}', "under 'label'"),
        ('{"feature": 1, "label": "x", "source"', "found bad JSON"),
    ],
)  # fmt: skip
def test_a_bad_line_is_reported_with_its_number(line: str, message: str) -> None:
    good = b"".join(encode_labels([FeatureLabel(1, "a", "b")] * 2))
    with pytest.raises(BundleError) as caught:
        parse_labels(good + line.encode() + b"\n" + good, Path("bundle") / "labels.jsonl", 10)
    assert str(caught.value).startswith("bundle/labels.jsonl line 3: ")
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
