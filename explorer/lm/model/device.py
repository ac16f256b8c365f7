"""Opens a torch device by name. Does not import transformers, so that a build that counts on a GPU starts quickly."""

import torch

from explorer.errors import SubjectError


def open_device(name: str) -> torch.device:
    """Open a device, and check that it works before anything large is loaded.

    Raises:
        SubjectError: the device does not exist.
    """
    try:
        probe = torch.zeros(1, device=name)
        probe.cpu()
        return probe.device
    except (RuntimeError, AssertionError, NotImplementedError) as fault:
        # A torch without CUDA raises AssertionError.
        wanted = "cpu" + (", cuda" if torch.cuda.is_available() else "; this torch sees no CUDA device")
        raise SubjectError("device", repr(name), wanted) from fault
