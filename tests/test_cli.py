"""The command line starts fast, prints one JSON document with --json, and exits without a traceback."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from explorer import terminal
from explorer.bench import almanac, commands
from explorer.bench.recovery.halo import ManifoldResult
from explorer.bench.recovery.planted_regime import PlantedFields
from explorer.bench.report import BenchReport
from explorer.bench.settings import HaloBenchSettings
from explorer.cli.main import app
from explorer.errors import ExplorerError, HostUnreachable
from explorer.lm.sae.saelens import load_sae
from explorer.records.progress import Progress
from tests.lm.model.tiny_tokenizers import TEXT, word_tokenizer
from tests.lm.tiny import tiny_model
from tests.pipeline.command import run_command, spawn_command
from tests.runs.tiny_bundle import write_tiny_bundle

HEAVY = {"torch", "transformers", "umap", "hdbscan", "numba", "sklearn", "scipy", "dash", "plotly", "numpy", "fastapi"}
COMMANDS = [name for name, command in get_command(app).commands.items() if not hasattr(command, "commands")]  # type: ignore[attr-defined]
BENCHES = [*get_command(app).commands["bench"].commands]  # type: ignore[attr-defined]
EXPLORER = [sys.executable, "-m", "explorer.cli"]


def test_help_imports_no_heavy_package_and_takes_less_than_a_second() -> None:
    before = getrusage(RUSAGE_CHILDREN)
    command = [sys.executable, "-X", "importtime", "-m", "explorer.cli", "--help"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    after = getrusage(RUSAGE_CHILDREN)
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in ended.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & HEAVY
    assert all(re.search(rf"^\W*{name}\b", ended.stdout, flags=re.MULTILINE) for name in COMMANDS)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def test_help_of_every_command_imports_no_heavy_package() -> None:
    program = (
        "import sys\n"
        "from explorer.cli.main import main\n"
        f"for name in {[[name] for name in COMMANDS] + [['bench', name] for name in BENCHES]!r}:\n"
        "    sys.argv = ['explorer', *name, '--help']\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit as ended:\n"
        "        assert not ended.code, name\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert not {name.split(".")[0] for name in ended.stderr.split()} & HEAVY
    assert ended.stdout.count("--help") == len(COMMANDS) + len(BENCHES)


@pytest.mark.parametrize(
    "command", [("show", "run"), ("check", "run"), ("check", "bundle"), ("export", "run", "--out", "x")]
)
def test_reading_a_run_or_bundle_imports_no_heavy_package(
    planted_run: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    shutil.copytree(planted_run, tmp_path / "run")
    write_tiny_bundle(tmp_path / "bundle", 1)
    program = (
        f"import sys; sys.argv = ['explorer', *{command!r}]\n"
        "from explorer.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path
    )
    loaded = {name.split(".")[0] for name in ended.stderr.split()}
    assert not loaded & (HEAVY - {"numpy"})


def test_every_command_has_a_json_option() -> None:
    for name in COMMANDS:
        assert "--json" in CliRunner().invoke(app, [name, "--help"]).output, name
    for name in BENCHES:
        assert "--json" in CliRunner().invoke(app, ["bench", name, "--help"]).output, name


def test_with_json_each_command_prints_one_document_only(planted_run: Path, tmp_path: Path) -> None:
    tiny_model("llama").save_pretrained(tmp_path / "model")
    word_tokenizer().save_pretrained(tmp_path / "model")
    (tmp_path / "text.txt").write_text(f"{TEXT}\n\n{TEXT}\n")
    place = ("--model", tmp_path / "model", "--text", tmp_path / "text.txt", "--layer", "1")
    sae, bundle, out = tmp_path / "sae", tmp_path / "bundle", tmp_path / "export"
    commands: list[tuple[tuple[str | Path, ...], set[str]]] = [
        (("train-sae", *place, "--out", sae, "--n-features", "8", "--k", "2", "--steps", "3"), {"sae", "unexplained"}),
        (("harvest", *place, "--sae", sae, "--out", bundle), {"bundle", "counts"}),
        (("check", bundle), {"path", "kind", "ok", "problems"}),
        (("check", planted_run), {"path", "kind", "ok", "problems"}),
        (("show", planted_run), {"format_version", "subject", "settings", "n_features", "n_noise", "clusters"}),
        (("show", planted_run, "--cluster", "0"),
         {"points", "coordinate", "token_text", "curve", "variance_explained"}),
        (("export", planted_run, "--out", out), {"export", "files"}),
    ]  # fmt: skip
    for command, keys in commands:
        ran = run_command(*command, "--json")
        assert keys <= ran.document.keys(), command[0]
        assert ran.err == "", command[0]
    assert load_sae(sae).n_features == 8
    assert {*json.loads((out / "export.json").read_text())["sha256"]} == set(ran.document["files"])


@pytest.mark.parametrize("command", ["relations", "concepts"])
def test_a_bench_prints_one_document(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    report = BenchReport([{"concept": "day", "share": 1.0}], (("A table", ["concept"], [["day"]]),))
    monkeypatch.setattr(almanac, command, lambda _: report)
    ran = run_command("bench", command, "--json")
    assert (ran.document, ran.err) == (report.values, "")
    assert "day" in run_command("bench", command).out


def test_the_recovery_bench_prints_one_document() -> None:
    command = ("bench", "recover", "--family", "planted", "--features", "128", "--seed", "3", "--seeds", "2")
    ran = run_command(*command, "--json")
    assert {outcome["seed"] for outcome in ran.document["outcomes"]} == {3, 4}
    assert {"ARI", "noise", "recovered"} <= set(run_command(*command).out.replace("(", " ").split())


def test_the_halo_bench_prints_one_document_or_two_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = PlantedFields("tiling", 2, 5, 5, 0.2, 0.4, 1.1, 0.75)
    requested: list[HaloBenchSettings] = []

    def measured(settings: HaloBenchSettings, *, progress: Progress) -> tuple[ManifoldResult, ...]:
        progress("halo", 1, 1)
        requested.append(settings)
        return (ManifoldResult(3, settings.seed, 7, "circle", 5, 0.75, fields, None),)

    monkeypatch.setattr(commands.halo_bench, "measure_halos", measured)
    ran = run_command("bench", "halo", "--k", "3", "--seed", "4", "--json")
    assert requested[0] == HaloBenchSettings(k=(3,), seed=4)
    assert ran.document["manifolds"][0]["fields"]["regime"] == "tiling"
    assert ran.err == ""
    assert {"Restricted", "Regimes"} <= set(run_command("bench", "halo").out.split())


def test_the_steering_cost_bench_prints_one_document() -> None:
    command = ("bench", "steering-cost", "--rounds", "3", "--tokens", "2", "--waypoints", "3")
    ran = run_command(*command, "--json")
    assert {*ran.document[0]} == {"work", "beside", "ratio", "low", "high", "wanted"}
    assert "generate()" in run_command(*command).out


def test_the_cofire_bench_prints_one_document() -> None:
    size = ("--features", "64", "--tokens", "500", "--threads", "1", "--rounds", "1")
    ran = run_command("bench", "cofire", *size, "--json")
    assert [one["same_graph"] for one in ran.document] == [None, True]


def test_a_bench_prints_all_its_tables_or_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    report = BenchReport({"a": 1}, (("One", ["x"], [["first"]]), ("Other", ["y"], [["second"]])), ("beside",))
    monkeypatch.setattr(commands, "scale", lambda *_: report)
    ran = run_command("bench", "scale", "--json")
    assert (ran.document, ran.err) == ({"a": 1}, "beside\n")
    assert all(word in run_command("bench", "scale").out for word in ("One", "first", "Other", "second"))


@pytest.mark.long
def test_a_fault_in_a_process_of_its_own_is_one_line_too(tmp_path: Path) -> None:
    tiny_model("llama").save_pretrained(tmp_path / "model")
    word_tokenizer().save_pretrained(tmp_path / "model")
    ran = spawn_command(
        "harvest", "--model", tmp_path / "model", "--sae", tmp_path / "none", "--text", tmp_path / "none.txt",
        "--layer", "0", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert (ran.code, ran.out) == (2, "")
    assert re.fullmatch(r"explorer: .*none\.txt: found no such file, wanted .*\n", ran.err)


def test_without_arguments_the_help_is_shown() -> None:
    ran = run_command()
    assert "train-sae" in ran.out + ran.err
    assert "Traceback" not in ran.out + ran.err


def test_a_closed_pipe_causes_no_traceback(planted_run: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [*EXPLORER, "show", str(planted_run), "--cluster", "0", "--json"]
    try:
        ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, b"")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_documents_are_complete_in_any_output_encoding(planted_run: Path, encoding: str) -> None:
    ran = spawn_command("show", planted_run, "--cluster", "0", "--json", environment={"PYTHONIOENCODING": encoding})
    shown = ran.document
    assert shown["order"] == run_command("show", planted_run, "--json").document["clusters"][0]["order"]


def test_a_path_that_is_not_valid_utf8_is_printed_in_one_document(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / os.fsdecode(b"b\xff"), 1)
    ran = spawn_command("check", bundle, "--json")
    assert ran.document["ok"]
    assert ran.document["path"] == str(bundle)


def test_a_document_that_cannot_be_encoded_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        terminal.print_json({"a": 1, "b": float("nan")})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "explorer: interrupted\n"),
        (PermissionError(13, "Permission denied", "a/run.json"), 1, "explorer: a/run.json: Permission denied\n"),
        (OSError(28, "No space left on device"), 1, "explorer: No space left on device\n"),
        (ExplorerError("two\nlines"), 1, "explorer: two lines\n"),
        (HostUnreachable("connection refused"), 1, "explorer: connection refused\n"),
    ],
)
def test_errors_are_reported_in_one_line(
    planted_run: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException, code: int, message: str
) -> None:
    def fail(_: Path) -> None:
        raise fault

    monkeypatch.setattr("explorer.runs.run.reader.open_run", fail)
    ran = run_command("show", planted_run, "--json")
    assert (ran.code, ran.out, ran.err) == (code, "", message)
