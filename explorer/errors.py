"""The error tree.

ExplorerError                  exit 1: the work failed
├── InputError                 exit 2: what the user gave is wrong, told in one line
│   ├── BundleError            a feature bundle
│   ├── RunError               a run
│   ├── SubjectError           a model, a tokenizer, an SAE, or two of them that do not fit each other
│   └── RequestError           a value in a request: coordinate, strength, prompt, link
└── HostError                  the steering host
    ├── HostUnreachable        nobody answers
    ├── HostNotReady           it starts with the first question, or loads its model
    ├── HostRefused            it answers, and says no (token, limits, queue)
    ├── HostMismatch           it holds another subject
    └── HookNotFired           steering was asked for and did not happen
"""

from pathlib import Path


class ExplorerError(Exception):
    """Anything that this project raises on purpose."""

    exit_code = 1


class InputError(ExplorerError):
    """Bad input: where it is, what was found there, what was wanted."""

    exit_code = 2

    def __init__(self, where: str | Path, found: str, wanted: str) -> None:
        self.where = str(where)
        self.found = found
        self.wanted = wanted
        super().__init__(f"{self.where}: found {found}, wanted {wanted}")


class BundleError(InputError):
    """A feature bundle that does not keep its format."""


class RunError(InputError):
    """A run that does not keep its format."""


class SubjectError(InputError):
    """A model, tokenizer or SAE that cannot be used, or two of them that do not fit each other."""


class RequestError(InputError):
    """A value in a request or a link that is out of its range."""


class HostError(ExplorerError):
    """The steering host could not do what was asked."""


class HostUnreachable(HostError):
    """Nobody answers at the host's address."""


class HostNotReady(HostError):
    """A host beside the app that has not started or loads its model; the message says which."""


class HostRefused(HostError):
    """The host answers and refuses: wrong token, over a limit, queue full.

    ``retry_after`` is the seconds after which the host asks to be tried again, None where it asks for nothing.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class HostMismatch(HostError):
    """The host holds another subject than the run needs; both are named in the message."""


class HookNotFired(HostError):
    """A steered answer was asked for and the hook did not fire, so there is no answer."""
