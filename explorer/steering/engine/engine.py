"""One subject with the runs that were made with it: resolves what a request names, and caches prepared clusters."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from explorer.config import SteeringLimits
from explorer.errors import RequestError
from explorer.lm.generation.batched_edits import Prefix
from explorer.records.bundle import Vocabulary
from explorer.runs.run.reader import Run, open_run
from explorer.steering.engine.model import SubjectModel
from explorer.steering.engine.prepared import PreparedCluster, prepare
from explorer.steering.engine.subject import Subject, open_subject
from explorer.steering.engine.tokenizer import SubjectTokenizer
from explorer.steering.protocol.behaviour import PathRequest, PromptToken
from explorer.steering.protocol.refusal import Refusal
from explorer.steering.scheduler.cooperative import Cooperative, run_to_completion
from explorer.steering.scheduler.lru import CooperativeCache

_CACHED_CLUSTERS = 64


@dataclass(frozen=True)
class EncodedPrompt:
    """A prompt as the model has read it."""

    prefix: Prefix
    """Its key-value cache, and the state at its last steered token."""
    token_ids: list[int]
    """Special tokens included."""
    tokens: tuple[PromptToken, ...]
    """For display."""


class Engine:
    """One subject and its runs."""

    def __init__(self, subject: Subject, runs: Mapping[str, Run], limits: SteeringLimits) -> None:
        self.subject = subject
        self.runs = dict(runs)
        self.limits = limits
        self.tokenizer = SubjectTokenizer(subject.loaded, limits.max_prompt_tokens)
        self.model = SubjectModel(subject, self.tokenizer.special)
        self._prepared: CooperativeCache[tuple[str, int], PreparedCluster] = CooperativeCache(
            _CACHED_CLUSTERS, limits.running
        )
        self._vocabularies: dict[str, Vocabulary] = {}

    def run(self, name: str) -> Run:
        """A run by its id.

        Raises:
            Refusal: it is not served here.
        """
        if name not in self.runs:
            raise Refusal(404, "not_found", f"no run {name!r} here, but {', '.join(self.runs)}", field="run")
        return self.runs[name]

    def served(self, run: str, fingerprint: str) -> Run:
        """A run by its id, for a client whose copy of it names the subject ``fingerprint``.

        Raises:
            Refusal: the run is not served here, or the subject differs; the message names both.
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

    def prepared(self, run: str, cluster: int) -> PreparedCluster:
        """``preparing``, run to completion."""
        return run_to_completion(self.preparing(run, cluster))

    def preparing(self, run: str, cluster: int) -> Cooperative[PreparedCluster]:
        """A cluster with the unsteered model's behaviour at its contexts; cached, and computed once for all that wait.

        Raises:
            Refusal: no such run.
            RequestError: no such cluster.
        """
        found = self.run(run)
        return self._prepared.get((run, cluster), lambda: self._prepare(found, cluster))

    def read(self, request: PathRequest, *, room: int = 0) -> EncodedPrompt:
        """Read a request's prompt.

        Args:
            request: names prompt, chat and steered tokens.
            room: positions of the context window that must stay free after the prompt.

        Raises:
            RequestError: the prompt is empty, longer than the limits or the model allow, has no token that may be
                steered, or consists of messages that the model does not take.
        """
        ids = self.tokenizer.prompt_ids(request, room=room)
        steered = self.tokenizer.steered_positions(request, ids)
        tokens = self.tokenizer.prompt_tokens(ids, steered)
        return EncodedPrompt(self.model.read_prefix(ids, steered), ids, tokens)

    def _prepare(self, run: Run, cluster: int) -> Cooperative[PreparedCluster]:
        count = len(run.manifest.clusters)
        if not 0 <= cluster < count:
            raise RequestError("cluster", str(cluster), f"0 to {count - 1}")
        tokenizer, read = self.tokenizer, self.model.read_texts
        return prepare(run.summary(cluster), run.cluster(cluster), tokenizer.encode, tokenizer.bos, read)


def open_engine(
    run_path: Path | str,
    *,
    device: str = "cpu",
    dtype: str = "float32",
    model: str | None = None,
    sae: str | None = None,
    limits: SteeringLimits | None = None,
) -> Engine:
    """Open a run and the subject that it names.

    Args:
        run_path: the run's folder.
        device: torch device.
        dtype: number format of the computation.
        model: the language model, where it is not at the place that the run names.
        sae: the SAE, likewise.
        limits: bounds of one request.

    Raises:
        RunError: the run is broken, or names no subject.
        SubjectError, HostMismatch: as in ``open_subject``.
    """
    run = open_run(run_path)
    subject = open_subject(run, device=device, dtype=dtype, model=model, sae=sae)
    return Engine(subject, {run.id: run}, limits or SteeringLimits())
