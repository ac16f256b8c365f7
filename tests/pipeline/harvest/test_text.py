"""Text is read document by document, and faults are reported with their line."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import InputError
from explorer.pipeline.harvest import text as text_module
from explorer.pipeline.harvest.text import open_text


def read(file: Path, content: str | bytes) -> list[str]:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(open_text(str(file)).documents)


LINE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1).filter(str.strip)


@given(documents=st.lists(st.lists(LINE, min_size=1).map("\n".join)), gap=st.integers(1, 3), end=st.booleans())
def test_blank_lines_separate_the_documents_of_a_txt(
    tmp_path_factory: pytest.TempPathFactory, documents: list[str], gap: int, end: bool
) -> None:
    content = ("\n" * (gap + 1)).join(documents) + "\n" * end
    if not content.startswith("\ufeff"):
        assert read(tmp_path_factory.mktemp("text") / "a.txt", content) == documents


def test_foreign_line_endings_and_a_byte_order_mark_are_supported(tmp_path: Path) -> None:
    assert read(tmp_path / "a.txt", b"\xef\xbb\xbfone\r\ntwo\r\n \t\r\nthree\r\n") == ["one\ntwo", "three"]


@given(documents=st.lists(st.text(st.characters(codec="utf-8"))))
def test_json_formats_round_trip(tmp_path_factory: pytest.TempPathFactory, documents: list[str]) -> None:
    folder = tmp_path_factory.mktemp("text")
    lines = "\n".join(json.dumps({"text": document, "id": 3}) for document in documents)
    assert read(folder / "a.jsonl", lines) == documents
    assert read(folder / "a.json", json.dumps(documents)) == documents
    assert open_text(str(folder / "a.json")).n_docs == len(documents)


def test_a_source_is_named_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "stories.txt").write_text("one")
    assert open_text(str(tmp_path / "stories.txt")).name == "stories.txt"


BAD = {
    "no text": ("a.jsonl", '{"text": "one"}\n{"other": 1}\n', "a.jsonl:2.*no text"),
    "text no string": ("a.jsonl", '{"text": 5}', "a.jsonl:1.*no text"),
    "line not JSON": ("a.jsonl", '{"text": "one"}\n\n{"text": \n', "a.jsonl:3.*not JSON"),
    "line too deep": ("a.jsonl", "[" * 200_000, "a.jsonl:1.*(not JSON|no text)"),
    "json cut": ("a.json", '["one",\n "two', "a.json:2"),
    "json too deep": ("a.json", "[" * 200_000, "a.json"),
    "json object": ("a.json", '{"text": "one"}', "JSON dict"),
    "json item": ("a.json", '["one", 2]', "int as item 1"),
    "txt bytes": ("a.txt", b"one\n\ntwo \xff\n", "a.txt:3.*0xff.*UTF-8"),
    "jsonl bytes": ("a.jsonl", b'{"text": "one"}\n{"text": "\xe4"}', "a.jsonl:2.*0xe4.*UTF-8"),
    "json bytes": ("a.json", b'["one",\n"\xe4"]', "a.json:2.*0xe4.*UTF-8"),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_bad_text_is_reported_in_one_line_with_its_location(tmp_path: Path, case: str) -> None:
    name, content, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path / name, content)
    assert "\n" not in str(caught.value)


def test_documents_before_the_fault_are_yielded(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n{"text": 2}')
    documents = iter(open_text(str(tmp_path / "a.jsonl")).documents)
    assert next(documents) == "one"
    with pytest.raises(InputError):
        next(documents)


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_the_size_of_documents_is_bounded(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "MAX_DOCUMENT", 100)
    with pytest.raises(InputError, match=f"{name}:1.*100 bytes"):
        read(tmp_path / name, "x" * 101)
    if name == "a.txt":
        with pytest.raises(InputError, match=r"a\.txt:5.*100 bytes"):
            read(tmp_path / name, ("x" * 22 + "\n") * 20)


def test_the_size_of_a_json_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "MAX_JSON", 10)
    with pytest.raises(InputError, match="jsonl may be of any size"):
        read(tmp_path / "a.json", '["0123456789"]')


def test_a_missing_or_unsupported_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_text(str(tmp_path / "a.txt"))
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="another kind"):
        open_text(str(tmp_path / "a.parquet"))


def test_a_dataset_id_without_the_package_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match="package `datasets`"):
        open_text("some/dataset")


def test_the_train_split_of_a_dataset_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Datasets:
        @staticmethod
        def load_dataset(name: str, *, split: str, streaming: bool) -> object:
            if name == "a/broken":
                raise ValueError("several\nlines")
            assert (split, streaming) == ("train", True)
            return iter([{"text": "one"}, {"text": "two"}, {"other": 3}])

    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    monkeypatch.setattr("importlib.import_module", lambda _: Datasets)
    documents = iter(open_text("a/dataset").documents)
    assert [next(documents), next(documents)] == ["one", "two"]
    with pytest.raises(InputError, match="no text in row 2"):
        next(documents)
    with pytest.raises(InputError, match="several lines"):
        open_text("a/broken")
