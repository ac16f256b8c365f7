"""Tiny tokenizers of the kinds that real models use."""

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

TEXT = "the old cat sat on the mat, and the old dog sat by the door. Über naïve cafés — 猫 🐈!"


def word_tokenizer(words: str = TEXT) -> PreTrainedTokenizerFast:
    """One token per word or punctuation mark, `<s>` before each text."""
    parts = [part for part, _ in pre_tokenizers.Whitespace().pre_tokenize_str(words)]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(["<unk>", "<s>", "</s>", *parts]))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    )


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE as in GPT-2: no token before a text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([TEXT] * 4, trainer)
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=end, eos_token=end, unk_token=end)


def metaspace_tokenizer() -> PreTrainedTokenizerFast:
    """BPE with `▁` for spaces and byte fallback as in Llama: a space before each text."""
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    spaces = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trained.normalizer = spaces
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=340, special_tokens=special, show_progress=False)
    trained.train_from_iterator(["the old cat sat on the mat and the old dog sat by the door"] * 4, trainer)
    plain = trained.model
    plain.byte_fallback = True
    tokenizer = Tokenizer(plain)
    tokenizer.normalizer = spaces
    tokenizer.add_special_tokens(special[:3])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
