"""Steering benchmark on a large model with random weights, for measurements on a GPU.

A Llama with the width and depth of a model of about a billion parameters, without a tokenizer, SAE or run: rows are
moved in random directions and no readout is computed. Times are compared as in ``explorer.bench.host.steer``.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

import torch
from pydantic import Field, JsonValue
from torch import Tensor
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from explorer.bench.host.steer import HEADER, Comparison, comparison_rows, ratio_of
from explorer.config import Settings
from explorer.lm.generation.batched_edits import next_token_logits, read_prefix
from explorer.lm.generation.batched_generation import BatchedGenerator, step_all
from explorer.lm.generation.capabilities import open_edit_site
from explorer.lm.generation.forward import EditSite
from explorer.records.progress import Progress, silent

_ARMS = 4
_TEXTS = 4
_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_MOST_ROWS = 1 << 14
_DOUBLED = 2.0


class LargeSettings(Settings):
    """The model and the length of the measurement."""

    rounds: int = Field(default=10, ge=3)
    """Each round runs both workloads once."""
    tokens: int = Field(default=48, ge=2)
    """Tokens generated per text."""
    waypoints: int = Field(default=50, ge=2)
    """Points per path."""
    prompt: int = Field(default=128, ge=2)
    """Tokens in the prompt."""
    device: str = "cuda"
    dtype: Literal["float32", "float16", "bfloat16"] = "bfloat16"
    width: int = Field(default=2048, ge=64)
    """d_model; a multiple of the head width, 64."""
    layers: int = Field(default=16, ge=2)
    """Decoder blocks; the middle one is steered."""
    vocabulary: int = Field(default=128_256, ge=64)


@dataclass(frozen=True)
class LargeReport:
    """Result of the benchmark."""

    parameters: int
    """Parameter count of the model."""
    device: str
    """Name of the GPU, or "cpu"."""
    dtype: str
    comparisons: tuple[Comparison, ...]
    rows: int
    """Largest power-of-two batch whose first token takes at most twice as long as that of one row."""


def measure_large(settings: LargeSettings | None = None, *, progress: Progress = silent) -> LargeReport:
    """Build the model and time it.

    Args:
        settings: model, rounds, tokens and waypoints; the defaults if None.
        progress: called after every comparison.

    Raises:
        RuntimeError: the device is unavailable or out of memory.
    """
    settings = settings or LargeSettings()
    device = torch.device(settings.device)
    model = _model(settings, device)
    place = open_edit_site(model, settings.layers // 2, "resid_post")
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(settings.vocabulary, (1, settings.prompt), generator=rng).to(device)
    works = _works(place, ids, settings)
    found = []
    for done, (work, baseline, steered, plain, wanted) in enumerate(works, start=1):
        found.append(Comparison(work, baseline, *ratio_of(steered, plain, settings.rounds, device), wanted))
        progress("time", done, len(works))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return LargeReport(parameters, name, settings.dtype, tuple(found), _rows_until_doubled(place, ids, settings))


def report_table(report: LargeReport) -> tuple[str, list[str], list[list[str]]]:
    """Format the table for people."""
    title = f"A Llama of {report.parameters / 1e9:.2f} billion random weights, {report.dtype}, {report.device}"
    return title, HEADER, comparison_rows(report.comparisons)


def report_lines(report: LargeReport) -> list[str]:
    """Remarks that accompany the table."""
    return [f"{report.rows} rows have their first token in at most twice the time of one."]


def report_values(report: LargeReport) -> JsonValue:
    """Unrounded values for programs."""
    return dict(asdict(report))


def _model(settings: LargeSettings, device: torch.device) -> PreTrainedModel:
    heads = settings.width // 64
    config = LlamaConfig(
        vocab_size=settings.vocabulary, hidden_size=settings.width, intermediate_size=4 * settings.width,
        num_hidden_layers=settings.layers, num_attention_heads=heads, num_key_value_heads=max(1, heads // 4),
        max_position_embeddings=settings.prompt + settings.tokens + 1, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(0)
        model: PreTrainedModel = LlamaForCausalLM(config)
    torch.nn.Module.to(model, _DTYPES[settings.dtype])
    model.requires_grad_(False)
    model.train(False)
    return model


Work = tuple[str, str, Callable[[], object], Callable[[], object], float]


def _works(place: EditSite, ids: Tensor, settings: LargeSettings) -> list[Work]:
    prefix, strip = read_prefix(place, ids), settings.waypoints * _ARMS
    prefixes = [read_prefix(place, ids[:, cut:]) for cut in range(_TEXTS)]
    moves, waypoints = _moves(place, _ARMS), _moves(place, strip)
    moved = torch.cat([torch.zeros_like(moves[:1]), moves])
    config = GenerationConfig(max_new_tokens=settings.tokens, do_sample=False, pad_token_id=0)  # type: ignore[no-untyped-call]

    def write(rows: Tensor, *, every_token: bool, uncached: bool) -> None:
        start = read_prefix(place, ids) if uncached else prefix
        decoder = BatchedGenerator(place, start, rows, every_token=every_token, tokens=settings.tokens)
        for _ in range(settings.tokens):
            decoder.feed(decoder.step().argmax(dim=1))

    def write_many(turns: int) -> None:
        texts = [BatchedGenerator(place, one, moved, every_token=True, tokens=settings.tokens) for one in prefixes]
        for _ in range(settings.tokens):
            for part in (texts[turn::turns] for turn in range(turns)):
                for one, logits in zip(part, step_all(part), strict=True):
                    assert isinstance(logits, Tensor)
                    one.feed(logits.argmax(dim=1))

    def generate() -> None:
        with torch.inference_mode():
            place.model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)  # type: ignore[operator]

    def forward() -> None:
        with torch.inference_mode():
            place.model(input_ids=ids, use_cache=False, logits_to_keep=1)

    return [
        (f"{_ARMS} arms and the baseline write {settings.tokens} tokens", "generate() writes one text",
         lambda: write(moved, every_token=True, uncached=True), generate, 1.6),
        (f"every token of {_ARMS} rows is moved", "their first tokens alone",
         lambda: write(moves, every_token=True, uncached=False),
         lambda: write(moves, every_token=False, uncached=False), 1.05),
        (f"{_TEXTS} texts of {_ARMS + 1} rows write {settings.tokens} tokens, put together",
         "the same texts taking turns", lambda: write_many(1), lambda: write_many(_TEXTS), 0.75),
        (f"the next token at {settings.waypoints} waypoints of {_ARMS} arms", "one forward of the prompt, last logits",
         lambda: next_token_logits(place, prefix, waypoints), forward, 3.0),
    ]  # fmt: skip


def _moves(place: EditSite, rows: int) -> Tensor:
    width = int(place.model.config.hidden_size)
    return torch.randn((rows, width), generator=torch.Generator().manual_seed(rows)).to(place.model.device)


def _rows_until_doubled(place: EditSite, ids: Tensor, settings: LargeSettings) -> int:
    """Double the rows while their first token takes at most twice as long as that of one row (median ratio)."""
    prefix, rows = read_prefix(place, ids), 1

    def first_token(count: int) -> Callable[[], object]:
        moves = _moves(place, count)
        return lambda: next_token_logits(place, prefix, moves)

    while rows < _MOST_ROWS:
        many, one = first_token(2 * rows), first_token(1)
        if ratio_of(many, one, settings.rounds, place.model.device)[0] > _DOUBLED:
            break
        rows *= 2
    return rows
