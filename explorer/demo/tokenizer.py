"""The almanac's tokenizer: one token per word, number, clock time and punctuation mark."""

import re
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from explorer.demo.corpus.almanac import FILLERS, RELATIONS

BOS, EOS, UNKNOWN = "<s>", "</s>", "<unk>"
WORD_PATTERN = r"\d\d:\d\d|\w+(?:-\w+)*|[^\w\s]"
"""A clock time, a word or number (with hyphens inside), or one punctuation mark."""


def words_of(text: str) -> list[str]:
    """The words of a text, as the tokenizer cuts it."""
    return re.findall(WORD_PATTERN, text)


def vocabulary() -> list[str]:
    """Every word that the almanac can say, sorted, after the three special tokens."""
    words = {word for choices in FILLERS.values() for word in choices}
    for relation in RELATIONS:
        words.update(relation.answers.values)
        for wording in relation.wordings:
            words.update(words_of(re.sub(r"\{\w+\}", " ", wording)))
        for combination in relation.combinations:
            for slot in combination.slots.values():
                words.update(words_of(slot))
    return [BOS, EOS, UNKNOWN, *sorted(words)]


def make_tokenizer(context: int) -> PreTrainedTokenizerFast:
    """Build the tokenizer for a model that reads `context` tokens; every text starts with `<s>`."""
    index = {word: number for number, word in enumerate(vocabulary())}
    core = Tokenizer(models.WordLevel(index, unk_token=UNKNOWN))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(WORD_PATTERN), behavior="removed", invert=True)
    core.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, index[BOS])])
    # Words are joined by spaces, with none before a punctuation mark; no word starts with the continuation prefix.
    core.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        pad_token=EOS,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def save_tokenizer(out: Path, context: int) -> PreTrainedTokenizerFast:
    """Write the tokenizer as a Hugging Face folder and return it."""
    tokenizer = make_tokenizer(context)
    tokenizer.save_pretrained(out)
    return tokenizer
