"""The error tree.

ExplorerError                  exit 1: the work failed
├── InputError                 exit 2: invalid input, reported in one line
│   ├── BundleError            a feature bundle
│   ├── RunError               a run
│   ├── SubjectError           a model, a tokenizer, an SAE, or two of them that do not fit each other
│   └── RequestError           a value in a request: coordinate, strength, prompt, link
└── HostError                  the steering host
    ├── HostUnreachable        nothing answers at its address
    ├── HostNotReady           it starts with the first request, or is loading its model
    ├── HostRefused            it refuses the request (token, limits, queue)
    ├── HostMismatch           it serves another subject
    └── HookNotFired           a steering edit was requested and not applied
"""

from pathlib import Path


class ExplorerError(Exception):
    """Base class of all errors that this project raises on purpose."""

    exit_code = 1


class InputError(ExplorerError):
    """Invalid input: its location, what was found, what was wanted."""

    exit_code = 2

    def __init__(self, where: str | Path, found: str, wanted: str) -> None:
        self.where = str(where)
        self.found = found
        self.wanted = wanted
        super().__init__(f"{self.where}: found {found}, wanted {wanted}")


class BundleError(InputError):
    """A feature bundle that breaks its format."""


class RunError(InputError):
    """A run that breaks its format."""


class SubjectError(InputError):
    """A model, tokenizer or SAE that cannot be used, or two of them that do not fit each other."""


class RequestError(InputError):
    """A value in a request or a link that is out of range."""


class HostError(ExplorerError):
    """The steering host could not serve a request."""


class HostUnreachable(HostError):
    """Nothing answers at the host's address."""


class HostNotReady(HostError):
    """A local host that has not started or is loading its model; the message says which."""


class HostRefused(HostError):
    """The host refuses the request: wrong token, over a limit, queue full.

    ``retry_after`` is the number of seconds after which the host suggests a retry, None without a suggestion.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class HostMismatch(HostError):
    """The host serves another subject than the run needs; the message names both."""


class HookNotFired(HostError):
    """A steered answer was requested and the hook did not fire, so there is no answer."""
