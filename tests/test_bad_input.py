"""Commands reject bad input with one line: the file, what was found and what was wanted. Nothing is written."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from explorer.lm.sae.autoencoder import Sae
from explorer.lm.sae.saelens import save_sae
from explorer.runs.io.safetensors_io import SafetensorsFile
from explorer.runs.io.safetensors_write import write_safetensors
from explorer.runs.io.strict_json import encode_json
from tests.lm.model.tiny_tokenizers import TEXT, word_tokenizer
from tests.lm.tiny import tiny_model
from tests.pipeline.command import run_command
from tests.planted import write_planted_run
from tests.runs.tiny_bundle import write_tiny_bundle

D_MODEL = 16
HARVEST = ("harvest", "--model", "model", "--sae", "sae", "--text", "text.txt", "--layer", "1", "--out", "new/out")
TRAIN = ("train-sae", "--model", "model", "--text", "text.txt", "--layer", "1", "--out", "new/out", "--n-features", "8")
BUILD = ("build", "bundle", "--out", "new/out")
SHOW = ("show", "run")
SHOW_ONE = ("show", "run", "--cluster", "1")
EXPORT = ("export", "run", "--out", "new/out")
READ_RUN = (SHOW, SHOW_ONE, EXPORT)


@dataclass(frozen=True)
class World:
    """A folder with valid examples of everything that the commands read."""

    root: Path

    def __truediv__(self, name: str) -> Path:
        return self.root / name

    def truncate(self, name: str) -> None:
        whole = (self / name).read_bytes()
        (self / name).write_bytes(whole[: len(whole) * 2 // 3])

    def flip(self, name: str) -> None:
        whole = bytearray((self / name).read_bytes())
        whole[-1] ^= 1
        (self / name).write_bytes(whole)

    def tensor(self, name: str, tensor: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
        """Change one tensor of the bundle and update its hash, so that only the content is invalid."""
        with SafetensorsFile(self / f"bundle/{name}") as opened:
            arrays = {key: opened.read(key) for key in opened.header.tensors}
        arrays[tensor] = change(arrays[tensor]).astype(arrays[tensor].dtype)
        write_safetensors(self / f"bundle/{name}", arrays)
        digest = hashlib.sha256((self / f"bundle/{name}").read_bytes()).hexdigest()
        self.manifest("bundle/bundle.json", lambda read: read["sha256"].update({name: digest}))

    def manifest(self, name: str, change: Callable[[dict[str, Any]], object]) -> None:
        read = json.loads((self / name).read_text())
        change(read)
        (self / name).write_bytes(encode_json(read))

    def sae(self, **changes: object) -> None:
        shutil.rmtree(self / "sae")
        save_sae(self / "sae", tiny_sae(**changes))  # type: ignore[arg-type]


def tiny_sae(d_model: int = D_MODEL, **changes: object) -> Sae:
    weights = torch.arange(24.0 * d_model).sin().reshape(24, d_model)
    sae = Sae("topk", weights.T.contiguous(), torch.zeros(24), weights, torch.zeros(d_model), k=3)
    return replace(sae, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("sound")
    tiny_model("llama").save_pretrained(root / "model")
    word_tokenizer().save_pretrained(root / "model")
    save_sae(root / "sae", tiny_sae())
    (root / "text.txt").write_text(f"{TEXT}\n\n{TEXT}\n")
    write_tiny_bundle(root / "bundle", 1)
    write_planted_run(root / "run")
    return World(root)


@pytest.fixture
def world(sound: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy to corrupt, also the working directory."""
    shutil.copytree(sound.root, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    return World(tmp_path / "world")


def everything(root: Path) -> dict[str, bytes | None]:
    """Contents of every path below a folder, None for folders."""
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


def nothing(world: World) -> None:
    """Change nothing: the command line itself is invalid."""


@dataclass(frozen=True)
class Case:
    """One invalid input."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    """Commands that must reject it."""
    corrupt: Callable[[World], object]
    """Introduces the fault."""
    where: str
    """Regular expression for the file, key or option at fault."""
    found: str
    """Regular expression for the value that was found."""
    wanted: str
    """Regular expression for what was expected."""


def swap(command: tuple[str, ...], old: str, new: str) -> tuple[str, ...]:
    return tuple(new if part == old else part for part in command)


def option(command: tuple[str, ...], name: str, value: str) -> tuple[str, ...]:
    if name not in command:
        return (*command, name, value)
    at = command.index(name) + 1
    return (*command[:at], value, *command[at + 1 :])


def pickled_weights(world: World) -> None:
    (world / "model/model.safetensors").unlink()
    torch.save({"a": torch.zeros(1)}, world / "model/pytorch_model.bin")


def edit_cfg(key: str, value: object) -> Callable[[World], None]:
    return lambda world: world.manifest("sae/cfg.json", lambda read: read.update({key: value}))


def write(name: str, content: bytes) -> Callable[[World], object]:
    return lambda world: (world / name).write_bytes(content)


def newer_format(manifest: dict[str, Any]) -> None:
    manifest["format_version"] = 2


def out_with_other_files(world: World) -> None:
    (world / "new/out").mkdir(parents=True)
    (world / "new/out/notes.txt").write_text("mine")


def out_is_a_file(world: World) -> None:
    (world / "new").mkdir()
    (world / "new/out").write_text("a file")


ABSENT = [
    Case("no bundle", (swap(BUILD, "bundle", "none"),), nothing, "none", "nothing there", "a feature bundle"),
    Case("no run", tuple(swap(command, "run", "none") for command in READ_RUN), nothing, "none", "nothing there",
         "a run"),
    Case("no run to steer", (("steer", "none", "--cluster", "0"),), nothing, "none", "nothing there", "a run"),
    Case("no run to open", (("open", "none"),), nothing, "none", "nothing there", "a run or a folder of runs"),
    Case("no run to host", (("host", "none", "--token-file", "/dev/null"),), nothing, "/dev/null|none", ".", "."),
    Case("nothing to check", (("check", "none"),), nothing, "none", "nothing there", "a feature bundle or a run"),
    Case("neither bundle nor run", (("check", "sae"),), nothing, "sae", "neither", "a feature bundle or a run"),
    Case("no model", (option(HARVEST, "--model", "./none"), option(TRAIN, "--model", "./none")), nothing, "none",
         "no such folder", "Hugging Face"),
    Case("no SAE", (option(HARVEST, "--sae", "none"),), nothing, r"none.cfg\.json", "No such file", "SAELens"),
    Case("no text", (option(HARVEST, "--text", "none.txt"), option(TRAIN, "--text", "none.txt")), nothing,
         r"none\.txt", "no such file", r"\.jsonl"),
    Case("no settings", ((*BUILD, "--settings", "none.json"),), nothing, r"none\.json", "No such file", "JSON"),
    Case("a missing file of a bundle", (BUILD,), lambda world: (world / "bundle/tokens.safetensors").unlink(),
         r"tokens\.safetensors", "nothing there", "the file that the manifest lists"),
    Case("a missing file of a run", READ_RUN, lambda world: (world / "run/thumbnails/00001.svg").unlink(),
         r"00001\.svg", "nothing there", "the file that the manifest lists"),
]  # fmt: skip
BROKEN = [
    *(Case(f"truncated {name}", (BUILD,), lambda world, name=name: world.truncate(f"bundle/{name}"), re.escape(name),
           r"\d+ bytes", r"\d+ bytes")
      for name in ("codes.safetensors", "decoder.safetensors", "tokens.safetensors", "activations.safetensors")),
    Case("truncated features", READ_RUN, lambda world: world.truncate("run/features.safetensors"),
         r"features\.safetensors", r"\d+ bytes", r"\d+ bytes"),
    Case("truncated cluster", (SHOW_ONE, EXPORT), lambda world: world.truncate("run/clusters/00001.safetensors"),
         r"00001\.safetensors", r"\d+ bytes", r"\d+ bytes"),
    Case("truncated SAE", (HARVEST,), lambda world: world.truncate("sae/sae_weights.safetensors"),
         r"sae_weights\.safetensors", ".", "a readable safetensors file"),
    Case("truncated model", (HARVEST, TRAIN), lambda world: world.truncate("model/model.safetensors"), "model", ".",
         "Hugging Face layout"),
    Case("truncated manifest of a bundle", (BUILD,), lambda world: world.truncate("bundle/bundle.json"),
         r"bundle\.json", "bad JSON", "one JSON document"),
    Case("truncated manifest of a run", READ_RUN, lambda world: world.truncate("run/run.json"), r"run\.json",
         "bad JSON", "one JSON document"),
    Case("wrong hash in a bundle", (BUILD,), lambda world: world.flip("bundle/tokens.safetensors"),
         r"tokens\.safetensors", "sha256 [0-9a-f]{16}", "[0-9a-f]{16}"),
    Case("wrong hash in a run", (SHOW_ONE, EXPORT), lambda world: world.flip("run/vocabulary.safetensors"),
         r"vocabulary\.safetensors", "sha256 [0-9a-f]{16}", "[0-9a-f]{16}"),
    Case("wrong hash of a portrait", (EXPORT,), lambda world: world.flip("run/thumbnails/00000.svg"), r"00000\.svg",
         "sha256 [0-9a-f]{16}", "[0-9a-f]{16}"),
    Case("NaN codes", (BUILD,), lambda world: world.tensor("codes.safetensors", "values", lambda array: array * np.nan),
         r"codes\.safetensors", "NaN or infinity in 'values'", "finite numbers"),
    Case("NaN decoder", (BUILD,), lambda world: world.tensor("decoder.safetensors", "W_dec", lambda _: _ * np.nan),
         r"decoder\.safetensors", "NaN or infinity in 'W_dec'", "finite numbers"),
    Case("negative codes", (BUILD,), lambda world: world.tensor("codes.safetensors", "values", np.negative),
         r"codes\.safetensors", "'values' of -1", "at least 0"),
    Case("unknown features", (BUILD,), lambda world: world.tensor("codes.safetensors", "features", lambda _: _ + 2),
         r"codes\.safetensors", "'features' from 2 to 5", "to below 4"),
    Case("unsorted features", (BUILD,),
         lambda world: world.tensor("codes.safetensors", "features", lambda _: np.array([2, 3, 0, 1])),
         r"codes\.safetensors", "'features' not ascending within a token", "ascending features"),
    Case("decreasing indptr", (BUILD,),
         lambda world: world.tensor("codes.safetensors", "indptr", lambda _: np.array([0, 3, 1, 3, 3, 4])),
         r"codes\.safetensors", "decreasing 'indptr'", "never decrease"),
    Case("token ids beyond the vocabulary", (BUILD,),
         lambda world: world.tensor("tokens.safetensors", "token_ids", lambda array: array + 1),
         r"tokens\.safetensors", "'token_ids' from 1 to 5", "to below 5"),
]  # fmt: skip
FOREIGN = [
    Case("a pickle in a bundle", (BUILD,), write("bundle/codes.pkl", b"\x80\x04."), r"codes\.pkl",
         r"a foreign file '\.pkl'", "only the files that the manifest lists"),
    Case("a pickle in a run", READ_RUN, write("run/clusters/a.pkl", b"\x80\x04."), r"a\.pkl", r"a foreign file '\.pkl'",
         "only the files that the manifest lists"),
    Case("a link in a run", READ_RUN, lambda world: (world / "run/clusters/link").symlink_to("/etc/passwd"), "link",
         "a symbolic link", "only the files that the manifest lists"),
    Case("a model in a pickle", (HARVEST, TRAIN), pickled_weights, "model", r"model\.safetensors", "safetensors"),
    Case("unknown key of a bundle", (BUILD,),
         lambda world: world.manifest("bundle/bundle.json", lambda read: read.update(colour={})), r"bundle\.json",
         "the unknown key 'colour'", "only keys that the format names"),
    Case("unknown key within a bundle", (BUILD,),
         lambda world: world.manifest("bundle/bundle.json", lambda read: read["model"].update(colour=1)),
         r"bundle\.json", r"the unknown key 'model\.colour'", "only keys that the format names"),
    Case("unknown key of a run", READ_RUN,
         lambda world: world.manifest("run/run.json", lambda read: read.update(colour={})), r"run\.json",
         "the unknown key 'colour'", "only keys that the format names"),
    Case("unknown setting", ((*BUILD, "--settings", "s.json"),), write("s.json", b'{"cofiring": {"colour": 1}}'),
         r"s\.json, cofiring\.colour", "1", "[Ee]xtra inputs"),
    Case("settings not JSON", ((*BUILD, "--settings", "s.json"),), write("s.json", b"{"), r"s\.json", "invalid JSON",
         "a JSON object"),
    Case("newer bundle", (BUILD,),
         lambda world: world.manifest("bundle/bundle.json", newer_format),
         r"bundle\.json", "format_version 2", "at most 1: a newer explorer wrote it"),
    Case("newer run", READ_RUN, lambda world: world.manifest("run/run.json", newer_format),
         r"run\.json", "format_version 2", "at most 1: a newer explorer wrote it"),
    Case("a run as a bundle", (swap(BUILD, "bundle", "run"),), nothing, "run", r"a run \(run\.json\)",
         r"a feature bundle \(bundle\.json\)"),
    Case("a bundle as a run", tuple(swap(command, "run", "bundle") for command in READ_RUN), nothing, "bundle",
         r"a feature bundle \(bundle\.json\)", r"a run \(run\.json\)"),
    Case("a file as a run", tuple(swap(command, "run", "text.txt") for command in READ_RUN), nothing, r"text\.txt",
         "not a folder", "a run, which is a folder"),
]  # fmt: skip
MISFIT = [
    Case("an SAE of another width", (HARVEST,), lambda world: world.sae(d_model=8), "sae", "an SAE of width 8",
         "16, the width of the model model"),
    Case("an SAE of another hook", (HARVEST,), lambda world: world.sae(hook_name="blocks.2.hook_resid_post"), "sae",
         r"blocks\.2\.hook_resid_post", r"blocks\.1\.hook_resid_post"),
    Case("an SAE of unknown architecture", (HARVEST,), edit_cfg("architecture", "gated"), r"sae.cfg\.json",
         "architecture 'gated'", "one of standard, topk, batchtopk, jumprelu"),
    Case("an SAE smaller than its cfg states", (HARVEST,), edit_cfg("d_sae", 25), r"sae.cfg\.json", "d_sae 25", "24"),
    Case("a layer beyond the model", (option(HARVEST, "--layer", "3"), option(TRAIN, "--layer", "3")), nothing,
         "model", "layer 3", "a decoder block from 0 to 2"),
    Case("an unknown hook", (option(HARVEST, "--hook", "head"), option(TRAIN, "--hook", "head")), nothing, "--hook",
         "'head'", "resid_pre"),
    Case("an unknown device", (option(HARVEST, "--device", "abacus"), option(TRAIN, "--device", "abacus"),
                               (*BUILD, "--device", "abacus")), nothing,
         "device", "'abacus'", "cpu"),
    *(Case(f"text: {name}", (option(HARVEST, "--text", file), option(TRAIN, "--text", file)), write(file, content),
           re.escape(file), found, wanted)
      for name, file, content, found, wanted in (
          ("empty", "a.txt", b"", "no text", "at least one document"),
          ("blank", "a.txt", b"\n \n", "no text", "at least one document"),
          ("binary", "a.txt", b"the cat\n\x89PNG\xff\x00", "the byte 0x89", "UTF-8 text"),
          ("of another kind", "a.png", b"\x89PNG", "a file of another kind", r"\.jsonl"),
          ("an object", "a.json", b'{"text": "a"}', "a JSON dict", "a JSON list of strings"),
          ("a list of numbers", "a.json", b'["the cat", 3]', "a int as item 1", "a JSON list of strings"),
          ("an empty list", "a.json", b"[]", "no text", "at least one document"),
          ("broken lines", "a.jsonl", b'{"text": "the cat"}\n{"text"', "a line that is not JSON", "an object like"),
          ("lines without text", "a.jsonl", b'{"words": "the cat"}', "no text", "an object like"),
      )),
    Case("no such cluster", (option(SHOW_ONE, "--cluster", "99"),), nothing, "run", "no cluster 99", "0 to 1"),
    Case("an unknown similarity", ((*BUILD, "--similarity", "smell"),), nothing, r"cofiring\.similarity", "'smell'",
         "'npmi'"),
    Case("too long a title", ((*BUILD, "--title", "a" * 201),), nothing, "title", "201 characters", "at most 200"),
    Case("an unknown format", ((*EXPORT, "--format", "xlsx"),), nothing, "--format", "'xlsx'",
         "csv or parquet or svg or png"),
    Case("sizes with one number", (("bench", "cofire", "--features", "64"),), nothing, "--tokens", "2 numbers",
         "1, one"),
    Case("a readout without a class", (("steer", "run", "--cluster", "0", "--readout", ""),), nothing, "readout",
         "0 values", "1 to 256 lines"),
    Case("too few rounds", (("bench", "steering-cost", "--rounds", "1"),), nothing, "--rounds", "1", "3"),
    Case("a missing device", (("bench", "steering-cost", "--device", "smell"),
                                        ("bench", "cofire", "--device", "smell")), nothing, "device", "'smell'", "cpu"),
    Case("an unknown family", (("bench", "recover", "--family", "smell"),), nothing, "--family", "'smell'",
         "'planted'"),
]  # fmt: skip
WRITERS = (HARVEST, TRAIN, BUILD, EXPORT)
TAKEN = [
    Case("--out is a file", WRITERS, out_is_a_file, "new/out", "something that is not a folder", "a new folder"),
    Case("--out holds something else", WRITERS, out_with_other_files, "new/out", r"a folder that holds 'notes\.txt'",
         "a new or empty folder"),
    Case("--out is the bundle", tuple(option(command, "--out", "bundle") for command in (TRAIN, BUILD, EXPORT)),
         nothing, "bundle", "a folder that holds 'activations", "a new or empty folder"),
    Case("--out is the run", tuple(option(command, "--out", "run") for command in (HARVEST, TRAIN, EXPORT)), nothing,
         "run", "a folder that holds '", "a new or empty folder"),
    Case("--out is below a file", tuple(option(command, "--out", "text.txt/out") for command in WRITERS), nothing,
         r"text\.txt/out", "text.txt above it, which is not a folder", "a path below folders"),
    Case("--out cannot be named in a link", (option(BUILD, "--out", "new/my run"),), nothing, "new",
         "the folder name 'my run'", "letters, digits"),
]  # fmt: skip
CASES = [*ABSENT, *BROKEN, *FOREIGN, *MISFIT, *TAKEN]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_reported_in_one_line_and_nothing_is_written(world: World, case: Case) -> None:
    case.corrupt(world)
    before = everything(world.root)
    for command in case.commands:
        ran = run_command(*command) if command[0] == "open" else run_command(*command, "--json")
        message = f"{' '.join(command)}: {ran.err}"
        assert ran.code == 2, message
        assert ran.out == "", message
        assert ran.err.count("\n") == 1, message
        parts = f"explorer: .*({case.where}).*: found .*({case.found}).*, wanted .*({case.wanted}).*\n"
        assert re.fullmatch(parts, ran.err), message
        assert everything(world.root) == before, message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("build", "bundle"), "'--out'"),
        (("build", "--out", "x"), "'bundle'"),
        (("show",), "'run'"),
        (("show", "run", "--cluster", "one"), "'--cluster'"),
        (("show", "run", "--cluster", "-1"), "'--cluster'"),
        (("show", "run", "--colour", "red"), "--colour"),
        (option(HARVEST, "--layer", "-1"), "'--layer'"),
        (option(HARVEST, "--max-tokens", "0"), "'--max-tokens'"),
        (("paint",), "'paint'"),
        (("bench", "paint"), "'paint'"),
        (("bench", "concepts", "--k", "3"), "--k"),
        (("bench", "recover", "--rounds", "3"), "--rounds"),
        (("bench", "scale", "--threads", "2"), "--threads"),
        (("bench", "halo", "--family", "zoo"), "--family"),
        (("bench", "halo", "run"), "(run)"),
        (("bench", "recover", "run"), "(run)"),
        (("bench", "cofire", "run"), "(run)"),
    ],
)
def test_bad_usage_is_reported_in_one_line(world: World, arguments: tuple[str, ...], message: str) -> None:
    before = everything(world.root)
    ran = run_command(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert ran.err.count("\n") == 1
    assert everything(world.root) == before


@pytest.mark.parametrize("folder", ["bundle", "run"])
def test_check_lists_every_problem(world: World, folder: str) -> None:
    names = {"bundle": ("decoder.safetensors", "tokens.safetensors"),
             "run": ("clusters/00000.safetensors", "vocabulary.safetensors")}[folder]  # fmt: skip
    for name in names:
        world.flip(f"{folder}/{name}")
    (world / folder / "a.pkl").write_bytes(b"\x80\x04.")
    before = everything(world.root)
    listed = run_command("check", folder)
    assert listed.code == 2
    assert len(listed.out.splitlines()) == 3
    assert all(any(name in line for line in listed.out.splitlines()) for name in (*names, "a.pkl"))
    summary = rf"explorer: {folder}: found 3 problems, the first in .*, wanted a sound {folder}\n"
    assert re.fullmatch(summary, listed.err)
    document = run_command("check", folder, "--json")
    assert (document.code, document.err) == (2, listed.err)
    assert json.loads(document.out) == {
        "path": folder, "kind": folder, "ok": False, "problems": listed.out.splitlines(),
    }  # fmt: skip
    assert everything(world.root) == before


def test_valid_input_is_accepted(world: World) -> None:
    for command in (*READ_RUN, ("check", "run"), ("check", "bundle"), HARVEST):
        ran = run_command(*command, "--json")
        assert ran.code == 0, f"{' '.join(command)}: {ran.err}"
        shutil.rmtree(world / "new", ignore_errors=True)
