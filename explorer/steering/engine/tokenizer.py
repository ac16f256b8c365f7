"""Text to token ids and back: prompts, chats and phrases, and the text of one token at a time."""

from collections.abc import Callable, Sequence

from jinja2 import TemplateError

from explorer.errors import RequestError
from explorer.lm.hooks.activations import added_token_ids
from explorer.lm.model.load import LoadedModel
from explorer.steering.protocol.behaviour import ChatMessage, PathRequest, PromptToken
from explorer.steering.protocol.wire import Kind
from explorer.steering.scheduler.lru import LruCache

Decode = Callable[[Sequence[int]], str]
"""Token ids to text."""

_INCOMPLETE = "\ufffd"
_CONTEXT_TOKENS = 6
_CACHED_PROMPTS = 4


class SubjectTokenizer:
    """The tokenizer of a loaded model, and the limits on the length of a request's text."""

    def __init__(self, loaded: LoadedModel, max_prompt_tokens: int) -> None:
        self._tokenizer = loaded.tokenizer
        self._max_context = loaded.max_context
        self._max_prompt_tokens = max_prompt_tokens
        self._shown: LruCache[tuple[int, ...], list[str]] = LruCache(_CACHED_PROMPTS)
        self.special = added_token_ids(loaded.tokenizer)
        """Ids of the special tokens."""
        self.bos = _bos(loaded)
        """Token that the tokenizer puts before every text; None where it puts none."""
        self.ends = _ends(loaded)
        """Tokens that end a text."""

    @property
    def kind(self) -> Kind:
        """ "instruct" where there is a chat template."""
        return "instruct" if self._tokenizer.chat_template else "base"

    def encode(self, text: str) -> list[int]:
        """Token ids of a piece of text, without special tokens."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of token ids, special tokens included."""
        return str(self._tokenizer.decode(list(token_ids), clean_up_tokenization_spaces=False))

    def text_ids(self, field: str, text: str, *, room: int = 0) -> list[int]:
        """Token ids of a request's text, special tokens included.

        Args:
            field: name of the request's field, for the error.
            text: the text.
            room: positions of the context window that must stay free after it.

        Raises:
            RequestError: it is empty, or longer than the limits or the model allow.
        """
        return self._checked(field, self._tokenizer(text)["input_ids"], room)

    def prompt_ids(self, request: PathRequest, *, room: int = 0) -> list[int]:
        """Token ids of a request's prompt: as harvested text is read, or through the model's chat template.

        Raises:
            RequestError: as in ``text_ids``, or messages that the model does not take.
        """
        if request.chat is None:
            return self.text_ids("prompt", request.prompt, room=room)
        return self._checked("prompt", self._chat_ids(request.chat, request.prompt), room)

    def steered_positions(self, request: PathRequest, token_ids: Sequence[int]) -> list[int]:
        """Positions of a prompt at which a request steers, ascending.

        Raises:
            RequestError: there is none.
        """
        free = [at for at, token in enumerate(token_ids) if not (request.skip_special and token in self.special)]
        if not free:
            raise RequestError("prompt", "special tokens only", "a token that may be steered")
        return free if request.where == "all_prompt" else free[-1:]

    def phrase_ids(self, request: PathRequest, phrase: str) -> list[int]:
        """Token ids of a phrase as the continuation of a request's prompt.

        A space separates it from a plain prompt; behind a chat template it begins the model's message.
        """
        if request.chat is not None:
            return self.encode(phrase)
        spaced = phrase if phrase[:1].isspace() or request.prompt[-1:].isspace() else f" {phrase}"
        before: list[int] = self._tokenizer(request.prompt)["input_ids"]
        whole: list[int] = self._tokenizer(request.prompt + spaced)["input_ids"]
        return whole[len(before) :] if whole[: len(before)] == before else self.encode(spaced)

    def prompt_tokens(self, token_ids: list[int], steered: Sequence[int]) -> tuple[PromptToken, ...]:
        """A prompt token by token, for display."""
        texts = self._shown.get(tuple(token_ids), lambda: self.token_texts(token_ids))
        return tuple(
            PromptToken(text=text, steered=at in steered, special=token_ids[at] in self.special)
            for at, text in enumerate(texts)
        )

    def token_texts(self, token_ids: Sequence[int]) -> list[str]:
        """What each token adds to the text."""
        detokenizer = IncrementalDetokenizer(self.decode)
        return [detokenizer.push(token_id) for token_id in token_ids]

    def _checked(self, field: str, token_ids: list[int], room: int) -> list[int]:
        longest = min(self._max_prompt_tokens, self._max_context - room)
        if not 1 <= len(token_ids) <= longest:
            raise RequestError(field, f"{len(token_ids)} tokens", f"1 to {longest}")
        return token_ids

    def _chat_ids(self, before: Sequence[ChatMessage], prompt: str) -> list[int]:
        """Token ids of a conversation whose last message is the prompt, up to the model's reply."""
        if self.kind == "base":
            raise RequestError("chat", "messages for a base model: its tokenizer has no chat template", "plain text")
        messages = [*(message.model_dump() for message in before), {"role": "user", "content": prompt}]
        try:
            text = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        except TemplateError as error:
            raise RequestError("chat", f"messages that the template refuses ({error})", "such as it takes") from error
        return self.encode(str(text))


class IncrementalDetokenizer:
    """Text of a sequence of tokens, one token at a time.

    A token's text depends on the token before it, and a character may take several tokens: its text is returned with
    the token that completes it.
    """

    def __init__(self, decode: Decode, before: Sequence[int] = ()) -> None:
        """``before`` are the tokens that the text continues."""
        self._decode = decode
        self._ids = list(before[-_CONTEXT_TOKENS:])
        self._begin = 0
        self._emitted = len(self._ids)

    def push(self, token_id: int) -> str:
        """Text that a token adds; empty while a character is incomplete."""
        self._ids.append(token_id)
        before = self._decode(self._ids[self._begin : self._emitted])
        after = self._decode(self._ids[self._begin :])
        if len(after) <= len(before) or after.endswith(_INCOMPLETE):
            return ""
        self._begin, self._emitted = self._emitted, len(self._ids)
        return after[len(before) :]


def _bos(loaded: LoadedModel) -> int | None:
    first, token = loaded.tokenizer("a")["input_ids"][:1], loaded.tokenizer.bos_token_id
    return int(token) if first and first[0] == token else None


def _ends(loaded: LoadedModel) -> frozenset[int]:
    configured = getattr(loaded.model.generation_config, "eos_token_id", None)
    ends = {loaded.tokenizer.eos_token_id, *(configured if isinstance(configured, list) else [configured])}
    return frozenset(int(token) for token in ends if token is not None)
