"""Opens a torch device by its name."""

import torch

from explorer.errors import SubjectError


def open_device(name: str) -> torch.device:
    """The device, tried before anything large is read.

    Raises:
        SubjectError: it is not there.
    """
    try:
        probe = torch.zeros(1, device=name)
        probe.cpu()
        return probe.device
    except (RuntimeError, AssertionError, NotImplementedError) as fault:
        # Where torch was built without CUDA it asserts that it was.
        wanted = "cpu" + (", cuda" if torch.cuda.is_available() else "; this torch sees no CUDA device")
        raise SubjectError("device", repr(name), wanted) from fault
