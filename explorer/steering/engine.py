"""Holds one subject and runs it: reads texts, runs displaced rows, writes on. The part of steering that touches torch.

One request at a time; a hook is on the model only inside one call. Only what is known of clusters outlives a call.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from explorer.config import SteeringLimits
from explorer.errors import RequestError
from explorer.lm.load import LoadedModel
from explorer.lm.rows import Decoder, Place, Prefix, next_rows, read_last, read_prefix
from explorer.lm.sae import Sae
from explorer.records import SubjectInfo, Vocabulary
from explorer.runs.run import Run
from explorer.steering.natural import Prepared, prepare
from explorer.steering.protocol import PromptToken
from explorer.steering.refusal import Refusal, overflow
from explorer.steering.text import token_texts

_READ_BATCH = 64
_KEPT_CLUSTERS = 64
_SMALL_MODEL = 20_000_000


@dataclass(frozen=True)
class Subject:
    """What a host holds."""

    loaded: LoadedModel
    """Model and tokenizer."""
    sae: Sae
    """The sparse autoencoder."""
    place: Place
    """Layer and hook that are steered."""
    fingerprint: str
    """Over all of it."""
    info: SubjectInfo
    """Names, as the run gives them."""


@dataclass(frozen=True)
class Prompt:
    """A prompt as the model has read it."""

    prefix: Prefix
    """Its cache and the state at its last token."""
    token_ids: list[int]
    """The prompt, special tokens included."""
    tokens: tuple[PromptToken, ...]
    """What to show of it."""


class Engine:
    """One subject and the runs that were made with it."""

    def __init__(self, subject: Subject, runs: Mapping[str, Run], limits: SteeringLimits) -> None:
        self.subject = subject
        self.runs = dict(runs)
        self.limits = limits
        self._prepared: dict[tuple[str, int], Prepared] = {}
        self._vocabularies: dict[str, Vocabulary] = {}
        self.bos = _bos(subject.loaded)
        """Token that the tokenizer puts before every text, None where it puts none."""
        self.ends = _ends(subject.loaded)
        """Tokens that end a text."""

    def run(self, name: str) -> Run:
        """A run by its id.

        Raises:
            Refusal: it is not served here.
        """
        if name not in self.runs:
            raise Refusal(404, "not_found", f"no run {name!r} here, but {', '.join(self.runs)}", field="run")
        return self.runs[name]

    def vocabulary(self, run: str) -> Vocabulary:
        """Text of every token, as the run shows it."""
        if run not in self._vocabularies:
            self._vocabularies[run] = self.run(run).vocabulary()
        return self._vocabularies[run]

    def prepared(self, run: str, cluster: int) -> Prepared:
        """A cluster ready for steering, the unsteered model's behaviour at its contexts included; kept once made.

        Raises:
            Refusal: no such run.
            RequestError: no such cluster.
        """
        key = (run, cluster)
        if key not in self._prepared:
            found = self.run(run)
            count = len(found.manifest.clusters)
            if not 0 <= cluster < count:
                raise RequestError("cluster", str(cluster), f"0 to {count - 1}")
            made = prepare(found.summary(cluster), found.cluster(cluster), self.tokenize, self.bos, self.read_texts)
            if len(self._prepared) >= _KEPT_CLUSTERS:
                self._prepared.pop(next(iter(self._prepared)))
            self._prepared[key] = made
        return self._prepared[key]

    def read(self, prompt: str, *, room: int = 0) -> Prompt:
        """Read a prompt as harvested text is read, special tokens included.

        Args:
            prompt: the text.
            room: positions that must stay free after it.

        Raises:
            RequestError: it is empty, or longer than the limits or the model allow.
        """
        tokenizer = self.subject.loaded.tokenizer
        ids: list[int] = tokenizer(prompt)["input_ids"]
        longest = min(self.limits.max_prompt_tokens, self.subject.loaded.max_context - room)
        if not 1 <= len(ids) <= longest:
            raise RequestError("prompt", f"{len(ids)} tokens", f"1 to {longest}")
        special = set(tokenizer.all_special_ids)
        shown = tuple(
            PromptToken(text=text, steered=index == len(ids) - 1, special=token in special)
            for index, (text, token) in enumerate(zip(token_texts(self.decode, ids), ids, strict=True))
        )
        return Prompt(self.read_ids(ids), ids, shown)

    def read_ids(self, token_ids: list[int]) -> Prefix:
        """Read token ids up to the last one."""
        return read_prefix(self.subject.place, torch.tensor([token_ids], device=self.subject.loaded.device))

    def read_texts(
        self, texts: list[list[int]]
    ) -> tuple[Float[np.ndarray, "text d_model"], Float[np.ndarray, "text vocab"]]:
        """Activation and next-token probabilities at the last token of each text, unsteered."""
        parts = list(_equal_lengths(texts))
        read = [self._read_batch([texts[index] for index in part]) for part in parts]
        back = np.argsort(np.concatenate(parts))
        return np.concatenate([states for states, _ in read])[back], np.concatenate([p for _, p in read])[back]

    def next_probabilities(
        self, prefix: Prefix, displacements: list[Float[np.ndarray, "_ d_model"]]
    ) -> list[Float[np.ndarray, "_ vocab"]]:
        """Next-token probabilities of the unsteered row and of every displaced row: one batch, split as given.

        Raises:
            Refusal: a row's logits are not finite.
            HookNotFired: the edit did not happen.
        """
        rows = np.concatenate([np.zeros((1, len(prefix.residual))), *displacements])
        p = _probabilities(next_rows(self.subject.place, prefix, self._tensor(rows)).logits)
        return np.split(p, np.cumsum([1, *(len(part) for part in displacements)])[:-1])

    def steps(
        self, prefix: Prefix, displacement: Float[np.ndarray, "row d_model"], *, every_token: bool
    ) -> "EngineSteps":
        """Write on from a prompt, one displaced row each; ``every_token`` moves each token that is fed back too."""
        decoder = Decoder(self.subject.place, prefix, self._tensor(displacement), every_token=every_token)
        return EngineSteps(decoder, self.subject.loaded.device)

    def decode(self, token_ids: Sequence[int]) -> str:
        """Token ids as text, special tokens included."""
        return str(self.subject.loaded.tokenizer.decode(list(token_ids), clean_up_tokenization_spaces=False))

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a piece of text, without special tokens."""
        ids: list[int] = self.subject.loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _read_batch(
        self, texts: list[list[int]]
    ) -> tuple[Float[np.ndarray, "text d_model"], Float[np.ndarray, "text vocab"]]:
        residual, logits = read_last(self.subject.place, torch.tensor(texts, device=self.subject.loaded.device))
        return residual.cpu().numpy(), _probabilities(logits)

    def _tensor(self, rows: Float[np.ndarray, "row d_model"]) -> Tensor:
        return torch.tensor(rows, dtype=torch.float32, device=self.subject.loaded.device)


@contextmanager
def fitting_threads(subject: Subject) -> Iterator[None]:
    """Run a small model on one thread: several would wait for each other longer than they compute."""
    before = torch.get_num_threads()
    size = sum(parameter.numel() for parameter in subject.loaded.model.parameters())
    torch.set_num_threads(1 if size < _SMALL_MODEL else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class EngineSteps:
    """A decoder that speaks numpy."""

    def __init__(self, decoder: Decoder, device: torch.device) -> None:
        self._decoder = decoder
        self._device = device

    @property
    def fired(self) -> int:
        """Tokens at which the edit was applied."""
        return self._decoder.fired

    def step(self) -> Float[np.ndarray, "row vocab"]:
        """Log-probabilities after the newest token.

        Raises:
            Refusal: the logits are not finite.
            HookNotFired: an edit was due and did not happen.
        """
        return np.asarray(torch.log_softmax(_finite(self._decoder.step()), dim=-1).cpu().numpy())

    def feed(self, token_ids: Int64[np.ndarray, "row"]) -> None:
        """Give each row the token that it continues with."""
        self._decoder.feed(torch.tensor(token_ids, device=self._device))


def _bos(loaded: LoadedModel) -> int | None:
    first, token = loaded.tokenizer("a")["input_ids"][:1], loaded.tokenizer.bos_token_id
    return int(token) if first and first[0] == token else None


def _ends(loaded: LoadedModel) -> frozenset[int]:
    told = getattr(loaded.model.generation_config, "eos_token_id", None)
    ends = {loaded.tokenizer.eos_token_id, *(told if isinstance(told, list) else [told])}
    return frozenset(int(token) for token in ends if token is not None)


def _finite(logits: Tensor) -> Tensor:
    if not bool(torch.isfinite(logits).all()):
        raise overflow()
    return logits


def _probabilities(logits: Tensor) -> Float[np.ndarray, "row vocab"]:
    return np.asarray(torch.softmax(_finite(logits), dim=-1).cpu().numpy())


def _equal_lengths(texts: list[list[int]]) -> Iterator[list[int]]:
    """Numbers of the texts, in batches of equal length: padding would have to be masked."""
    by_length: dict[int, list[int]] = {}
    for index, text in enumerate(texts):
        by_length.setdefault(len(text), []).append(index)
    for same in by_length.values():
        yield from (same[start : start + _READ_BATCH] for start in range(0, len(same), _READ_BATCH))
