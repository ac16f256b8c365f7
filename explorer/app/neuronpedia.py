"""Where Neuronpedia tells of the same feature: an address for the reader to follow, which this program never asks."""

SITE = "https://www.neuronpedia.org"


def feature_address(neuronpedia_id: str, feature: int) -> str:
    """Address of one feature's page.

    Args:
        neuronpedia_id: the SAE's name there, model and source, as `NEURONPEDIA_ID` of the records has it.
        feature: its number, which counts as the SAE's own.
    """
    return f"{SITE}/{neuronpedia_id}/{feature}"
