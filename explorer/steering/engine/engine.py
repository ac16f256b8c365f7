"""Holds one subject and runs it: reads texts, runs displaced rows, writes on. The part of steering that touches torch.

One call at a time; a hook is on the model only inside one call. What outlives a call is what is known of clusters,
and the last prompts as the unsteered model read them: a drag asks about the same prompt again and again.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int64
from jinja2 import TemplateError
from threadpoolctl import threadpool_limits
from torch import Tensor
from transformers import PreTrainedModel

from explorer.config import SteeringLimits
from explorer.errors import RequestError
from explorer.lm.generation.batched_edits import (
    Place,
    Prefix,
    next_rows,
    read_every,
    read_last,
    read_prefix,
    text_logprobs,
)
from explorer.lm.generation.batched_generation import Decoder, step_together
from explorer.lm.generation.next_tokens import NextTokens, read_next
from explorer.lm.generation.sampling import choose_tokens
from explorer.lm.generation.score import read_scored
from explorer.lm.hooks.activations import added_token_ids
from explorer.lm.hooks.logit_lens import direction_logits
from explorer.lm.model.load import LoadedModel
from explorer.lm.sae.saelens import Sae
from explorer.records import SubjectInfo, Vocabulary
from explorer.runs.run.reader import Run
from explorer.steering.engine.detokenize import token_texts
from explorer.steering.engine.generation import Chosen, Step
from explorer.steering.engine.prepared import Prepared, prepare
from explorer.steering.protocol.behaviour import ChatMessage, PathRequest, PromptToken
from explorer.steering.protocol.refusal import Refusal, overflow
from explorer.steering.protocol.wire import Kind
from explorer.steering.scheduler.cooperative import MadeInTurns, Turns, finish
from explorer.steering.scheduler.lru import Kept

_READ_BATCH = 64
_KEPT_CLUSTERS = 64
_KEPT_PROMPTS = 4
_SMALL_MODEL = 20_000_000
_DENSE_CELLS = 1 << 24


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
    batch_difference: float
    """Largest difference of a row's logits in a batch and alone, see `opening.batch_difference`."""


@dataclass(frozen=True)
class Prompt:
    """A prompt as the model has read it."""

    prefix: Prefix
    """Its cache and the state at its last moved token."""
    token_ids: list[int]
    """The prompt, special tokens included."""
    tokens: tuple[PromptToken, ...]
    """What to show of it."""


@dataclass(frozen=True)
class Encoded:
    """A text as the model and its SAE have read it."""

    texts: list[str]
    """What each token adds to the text."""
    special: list[bool]
    """Whether the tokenizer added it."""
    residual: Float[np.ndarray, "token d_model"]
    """The activation at [layer, hook], float32."""
    features: list[Int64[np.ndarray, "fires"]]
    """Features that fire on each token, ascending; none is told of special tokens."""


@dataclass(frozen=True)
class ReadBack:
    """A generated text as the unsteered model reads it."""

    residual: Float[np.ndarray, "token d_model"]
    """The activation at [layer, hook] at each of its tokens, float32."""
    logprob: Float[np.ndarray, "token"]
    """Log-probability of each after what stands before it."""
    features: list[Int64[np.ndarray, "fires"]]
    """Features that fire on each, ascending."""


class Engine:
    """One subject and the runs that were made with it."""

    def __init__(self, subject: Subject, runs: Mapping[str, Run], limits: SteeringLimits) -> None:
        self.subject = subject
        self.runs = dict(runs)
        self.limits = limits
        self._prepared: MadeInTurns[tuple[str, int], Prepared] = MadeInTurns(_KEPT_CLUSTERS, limits.running)
        self._vocabularies: dict[str, Vocabulary] = {}
        self._prefixes: Kept[tuple[tuple[int, ...], tuple[int, ...]], Prefix] = Kept(_KEPT_PROMPTS)
        self._prompt_texts: Kept[tuple[int, ...], list[str]] = Kept(_KEPT_PROMPTS)
        self._special = added_token_ids(subject.loaded.tokenizer)
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

    def served(self, run: str, fingerprint: str) -> Run:
        """A run by its id, for somebody whose copy of it names the subject ``fingerprint``.

        Raises:
            Refusal: it is not served here, or the subject is another one; both are named.
        """
        found, held = self.run(run), self.subject.fingerprint
        if fingerprint != held:
            message = f"this host holds {held}, the request is for {fingerprint}"
            raise Refusal(409, "fingerprint_mismatch", message, field="fingerprint")
        return found

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
        return finish(self.preparing(run, cluster))

    def preparing(self, run: str, cluster: int) -> Turns[Prepared]:
        """The same in turns; several that wait for one cluster make it together."""
        found = self.run(run)
        return self._prepared.get((run, cluster), lambda: self._prepare(found, cluster))

    def read(self, asked: PathRequest, *, room: int = 0) -> Prompt:
        """Read a request's prompt as harvested text is read, or through the model's chat template.

        Args:
            asked: the request.
            room: positions that must stay free after the prompt.

        Raises:
            RequestError: it is empty, longer than the limits or the model allow, holds nothing that may be steered, or
                is made of messages that the model does not take.
        """
        ids = self._ids("prompt", asked.prompt if asked.chat is None else self._chat(asked.chat, asked.prompt), room)
        moved = self.moved(asked, ids)
        shown = tuple(
            PromptToken(text=text, steered=index in moved, special=ids[index] in self._special)
            for index, text in enumerate(self._prompt_texts.get(tuple(ids), lambda: token_texts(self.decode, ids)))
        )
        return Prompt(self.read_ids(ids, moved), ids, shown)

    def moved(self, asked: PathRequest, ids: list[int]) -> list[int]:
        """Positions of a prompt at which a request steers, ascending.

        Raises:
            RequestError: there is none.
        """
        free = [index for index, token in enumerate(ids) if not (asked.skip_special and token in self._special)]
        if not free:
            raise RequestError("prompt", "special tokens only", "a token that may be steered")
        return free if asked.where == "all_prompt" else free[-1:]

    def encode(self, text: str) -> Encoded:
        """Read a text once, as harvested text is read, and tell which features fire on each of its tokens.

        Raises:
            RequestError: it is empty, or longer than the limits or the model allow.
            Refusal: an activation is not finite.
        """
        ids = self._ids("text", text, 0)
        states = read_every(self.subject.place, torch.tensor([ids], device=self.subject.loaded.device))[0].cpu()
        if not bool(torch.isfinite(states).all()):
            raise Refusal(422, "numeric_overflow", "the model's activations on this text are not finite", field="text")
        special = [token in self._special for token in ids]
        fires = [np.empty(0, np.int64) if skip else one for skip, one in zip(special, self._fires(states), strict=True)]
        return Encoded(token_texts(self.decode, ids), special, states.numpy(), fires)

    def read_back(self, prompt: list[int], texts: Sequence[Sequence[int]]) -> list[ReadBack]:
        """Read what was written after a prompt, unsteered, in one forward pass; equal texts are read once.

        Raises:
            Refusal: an activation or a log-probability is not finite.
        """
        distinct = list(dict.fromkeys(map(tuple, texts)))
        longest = max(map(len, distinct), default=0)
        if not longest:
            empty = ReadBack(np.empty((0, self.subject.loaded.d_model), np.float32), np.empty(0, np.float32), [])
            return [empty for _ in texts]
        rows = [[*prompt, *text, *[0] * (longest - len(text))] for text in distinct]
        scored = read_scored(self.subject.place, torch.tensor(rows, device=self.subject.loaded.device), longest)
        states, logprob = scored.residual.cpu(), scored.logprob.cpu().numpy()
        if not (bool(torch.isfinite(states).all()) and np.isfinite(logprob).all()):
            raise overflow()
        fires = self._fires(torch.cat([states[row, : len(text)] for row, text in enumerate(distinct)]))
        read = {
            text: ReadBack(states[row, : len(text)].numpy(), logprob[row, : len(text)], list(islice(fires, len(text))))
            for row, text in enumerate(distinct)
        }
        return [read[tuple(text)] for text in texts]

    def read_states(self, texts: list[list[int]]) -> Float[np.ndarray, "text d_model"]:
        """Activation at the last token of each text, unsteered."""
        place, device = self.subject.place, self.subject.loaded.device
        parts = list(_equal_lengths(texts))
        batches = (torch.tensor([texts[index] for index in part], device=device) for part in parts)
        states = [read_every(place, batch)[:, -1].cpu().numpy() for batch in batches]
        return np.concatenate(states)[np.argsort(np.concatenate(parts))]

    def read_ids(self, token_ids: list[int], moved: Sequence[int] = (-1,)) -> Prefix:
        """Read token ids up to the first position that is moved; the last few texts are kept as read."""

        def read() -> Prefix:
            return read_prefix(self.subject.place, torch.tensor([token_ids], device=self.subject.loaded.device), moved)

        return self._prefixes.get((tuple(token_ids), tuple(moved)), read)

    def read_texts(
        self, texts: list[list[int]], tokens: Int64[np.ndarray, "token"]
    ) -> Turns[tuple[Float[np.ndarray, "text d_model"], Float[np.ndarray, "text token"]]]:
        """Activation and some tokens' next-token probabilities at the last token of each text, unsteered; a batch a
        turn."""
        parts, read = list(_equal_lengths(texts)), []
        for part in parts:
            read.append(self._read_batch([texts[index] for index in part], tokens))
            yield
        back = np.argsort(np.concatenate(parts))
        return np.concatenate([states for states, _ in read])[back], np.concatenate([p for _, p in read])[back]

    def next_tokens(
        self,
        prefix: Prefix,
        displacements: list[Float[np.ndarray, "_ d_model"]],
        tokens: Int64[np.ndarray, "token"],
    ) -> list[NextTokens]:
        """What the unsteered row and every displaced row say next: one batch, split as given.

        Args:
            prefix: the prompt, read.
            displacements: what is added, row by row.
            tokens: whose probabilities are asked for.

        Raises:
            Refusal: a row's logits are not finite.
            HookNotFired: the edit did not happen.
        """
        rows = np.concatenate([np.zeros((1, len(prefix.residual))), *displacements])
        logits = _finite(next_rows(self.subject.place, prefix, self._tensor(rows)))
        return read_next(logits, tokens).split([1, *map(len, displacements)])

    def log_probability(
        self,
        prefix: Prefix,
        displacement: Float[np.ndarray, "row d_model"],
        token_ids: Sequence[int],
        *,
        every_token: bool,
        skip_special: bool = True,
    ) -> Float[np.ndarray, "row"]:
        """Log-probability that each displaced row goes on with a text: the sum over its tokens, which are steered as in
        ``steps`` where a row writes them.

        Raises:
            Refusal: one is not finite.
            HookNotFired: the edit did not happen.
        """
        device = self.subject.loaded.device
        moved = [every_token and not (skip_special and token in self._special) for token in token_ids]
        told = text_logprobs(
            self.subject.place, prefix, self._tensor(displacement),
            torch.tensor(token_ids, device=device), torch.tensor(moved, device=device),
        )  # fmt: skip
        return np.asarray(_finite(told).sum(dim=1, dtype=torch.float64).clamp(max=0.0).cpu().numpy())

    def feature_logits(self, feature: int) -> Float[np.ndarray, "vocab"]:
        """What a feature's direction adds to every token's logit by itself, less the mean; see ``direction_logits``.

        Raises:
            RequestError: no such feature.
            Refusal: the logits are not finite.
        """
        decoder = self.subject.sae.W_dec
        if feature >= len(decoder):
            raise RequestError("feature", str(feature), f"0 to {len(decoder) - 1}")
        direction = decoder[feature].to(self.subject.loaded.device, torch.float32)
        return np.asarray(_finite(direction_logits(self.subject.loaded.model, direction)).cpu().numpy())

    def steps(
        self,
        prefix: Prefix,
        displacement: Float[np.ndarray, "row d_model"],
        *,
        every_token: bool,
        tokens: int,
        skip_special: bool = True,
    ) -> "EngineSteps":
        """Write at most ``tokens`` tokens on from a prompt, one displaced row each; ``every_token`` moves those too."""
        keep = self._special if skip_special else frozenset[int]()
        rows = self._tensor(displacement)
        decoder = Decoder(self.subject.place, prefix, rows, every_token=every_token, tokens=tokens, keep=keep)
        return EngineSteps(decoder, self.subject.loaded.device)

    def phrase(self, asked: PathRequest, phrase: str) -> list[int]:
        """Token ids of a phrase as it stands after a request's prompt, parted from it by a space; where the prompt goes
        through a chat template, as the answer begins."""
        if asked.chat is not None:
            return self.tokenize(phrase)
        parted = phrase if phrase[:1].isspace() or asked.prompt[-1:].isspace() else f" {phrase}"
        before: list[int] = self.subject.loaded.tokenizer(asked.prompt)["input_ids"]
        whole: list[int] = self.subject.loaded.tokenizer(asked.prompt + parted)["input_ids"]
        return whole[len(before) :] if whole[: len(before)] == before else self.tokenize(parted)

    def decode(self, token_ids: Sequence[int]) -> str:
        """Token ids as text, special tokens included."""
        return str(self.subject.loaded.tokenizer.decode(list(token_ids), clean_up_tokenization_spaces=False))

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a piece of text, without special tokens."""
        ids: list[int] = self.subject.loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    @property
    def kind(self) -> Kind:
        """Whether the model takes messages."""
        return "instruct" if self.subject.loaded.tokenizer.chat_template else "base"

    def _prepare(self, run: Run, cluster: int) -> Turns[Prepared]:
        count = len(run.manifest.clusters)
        if not 0 <= cluster < count:
            raise RequestError("cluster", str(cluster), f"0 to {count - 1}")
        return prepare(run.summary(cluster), run.cluster(cluster), self.tokenize, self.bos, self.read_texts)

    def _ids(self, field: str, text: str | list[int], room: int) -> list[int]:
        """Token ids of a request's text, special tokens included; refused where they are none or too many."""
        ids: list[int] = self.subject.loaded.tokenizer(text)["input_ids"] if isinstance(text, str) else text
        longest = min(self.limits.max_prompt_tokens, self.subject.loaded.max_context - room)
        if not 1 <= len(ids) <= longest:
            raise RequestError(field, f"{len(ids)} tokens", f"1 to {longest}")
        return ids

    def _chat(self, before: Sequence[ChatMessage], prompt: str) -> list[int]:
        """Token ids of a conversation whose last message is the prompt, up to where the model answers."""
        if self.kind == "base":
            raise RequestError("chat", "messages for a base model: its tokenizer has no chat template", "plain text")
        messages = [*(message.model_dump() for message in before), {"role": "user", "content": prompt}]
        try:
            text = self.subject.loaded.tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=False
            )
        except TemplateError as error:
            raise RequestError("chat", f"messages that the template refuses ({error})", "such as it takes") from error
        return self.tokenize(str(text))

    def _fires(self, states: Float[Tensor, "token d_model"]) -> Iterator[Int64[np.ndarray, "fires"]]:
        """Features that fire on each state; dense codes of many tokens at once would fill the memory."""
        sae = self.subject.sae
        with torch.inference_mode():
            for part in torch.split(states, max(1, _DENSE_CELLS // sae.n_features)):
                yield from (np.flatnonzero(row) for row in (sae.encode(part) > 0).cpu().numpy())

    def _read_batch(
        self, texts: list[list[int]], tokens: Int64[np.ndarray, "token"]
    ) -> tuple[Float[np.ndarray, "text d_model"], Float[np.ndarray, "text token"]]:
        residual, logits = read_last(self.subject.place, torch.tensor(texts, device=self.subject.loaded.device))
        return residual.cpu().numpy(), read_next(_finite(logits), tokens).asked

    def _tensor(self, rows: Float[np.ndarray, "row d_model"]) -> Tensor:
        return torch.tensor(rows, dtype=torch.float32, device=self.subject.loaded.device)


@contextmanager
def fitting_threads(model: PreTrainedModel) -> Iterator[None]:
    """Run a small model on one thread, and numpy's small products always: several threads would wait for each other
    longer than they compute."""
    before = torch.get_num_threads()
    size = sum(parameter.numel() for parameter in model.parameters())
    torch.set_num_threads(1 if size < _SMALL_MODEL else before)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


class EngineSteps:
    """A decoder that speaks numpy."""

    def __init__(self, decoder: Decoder, device: torch.device) -> None:
        self.decoder = decoder
        self._device = device

    @property
    def fired(self) -> Int64[np.ndarray, "row"]:
        """Tokens of each row at which the edit was applied."""
        return np.asarray(self.decoder.fired.cpu().numpy())

    def choose(self, temperature: float, draw: float) -> Chosen:
        """One step by itself.

        Raises:
            Refusal: the logits are not finite.
            HookNotFired: an edit was due and did not happen.
        """
        (came,) = choose_together([Step(self, temperature, draw)])
        if isinstance(came, Exception):
            raise came
        return came

    def feed(self, token_ids: Int64[np.ndarray, "row"]) -> None:
        """Give each row the token that it continues with."""
        self.decoder.feed(torch.tensor(token_ids, device=self._device))


def choose_together(asked: Sequence[Step]) -> list[Chosen | Exception]:
    """The next token of each row of several texts, see ``choose_tokens``, from one forward pass where that is allowed.

    A text whose logits are not finite gets a Refusal in its place, one whose edit did not happen HookNotFired, and so
    on: nobody else is touched.
    """
    steps = [cast("EngineSteps", one.steps) for one in asked]  # an engine gives no other
    said = step_together([one.decoder for one in steps])
    return [_choose(one, logits) for one, logits in zip(asked, said, strict=True)]


def _choose(asked: Step, logits: Tensor | Exception) -> Chosen | Exception:
    try:
        if isinstance(logits, Exception):
            return logits
        logprobs = torch.log_softmax(_finite(logits), dim=-1)
        chosen = choose_tokens(logprobs, asked.temperature, asked.draw)
        return Chosen(chosen.cpu().numpy(), logprobs.gather(1, chosen[:, None])[:, 0].cpu().numpy())
    except Exception as error:  # noqa: BLE001 - told to whom it concerns
        return error


def is_poisoned(error: Exception) -> bool:
    """Whether an error leaves the device unusable for this process, as a failed CUDA kernel does: every later call
    would fail too. Too little memory does not."""
    if isinstance(error, torch.OutOfMemoryError):
        return False
    return isinstance(error, torch.AcceleratorError) or (isinstance(error, RuntimeError) and "CUDA error" in str(error))


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


def _equal_lengths(texts: list[list[int]]) -> Iterator[list[int]]:
    """Numbers of the texts, in batches of equal length: padding would have to be masked."""
    by_length: dict[int, list[int]] = {}
    for index, text in enumerate(texts):
        by_length.setdefault(len(text), []).append(index)
    for same in by_length.values():
        yield from (same[start : start + _READ_BATCH] for start in range(0, len(same), _READ_BATCH))
