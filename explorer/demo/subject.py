"""What the demo's subject is: the place in the model that is harvested, its folders and its seeds."""

from explorer.records import Hook

LAYER = 5
"""Decoder block, from 0, that is harvested and steered: chosen by measuring, see docs/almanac.md."""

HOOK: Hook = "resid_post"
"""Where in that block."""

MODEL_FOLDER = "model"
"""The language model and its tokenizer, inside the subject's folder."""

SAE_FOLDER = "sae"
"""The sparse autoencoder, inside the subject's folder."""

SCORES_FILE = "accuracy.json"
"""Accuracy on held-out prompts, inside the subject's folder."""

TRAINING_SEED = 0
"""Seed of the committed subject."""

HARVEST_SEED = 7_001
"""Seed of the text that is harvested; training takes its seeds from below a thousand."""

HARVEST_DOCS = 24_000
"""Documents in the text that is harvested: 1 token in 30 is known to be some year, so it takes many."""

HARVEST_RESIDUALS = 1_000_000
"""Activations that are kept: all of them."""
