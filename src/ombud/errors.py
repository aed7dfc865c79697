"""Every error that Ombud raises on purpose. One root; the docstring of a class is its message."""


class OmbudError(Exception):
    """Something that Ombud can name went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class ConfigurationError(OmbudError):
    """A setting, a flag or the place where Ombud runs is wrong; nothing was started."""


class InvalidInput(OmbudError):
    """A value cannot be accepted. `field` names it the way the caller wrote it, e.g. `[3].order_id`."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class NotFound(OmbudError):
    """No such thing."""


class Conflict(OmbudError):
    """The request contradicts what is already stored."""


class Outdated(OmbudError):
    """It was changed since it was read. Read it again, then change it."""


class Refused(OmbudError):
    """Understood, and refused: the rules of this installation forbid it."""


class Forbidden(OmbudError):
    """Whoever asks may not do this. Ask an owner of this installation."""


class InvalidSignature(OmbudError):
    """The request was not signed by whoever has the secret, or not now."""


class TooLarge(OmbudError):
    """The request is larger than what is accepted here. Send less at once."""


class StorageUnavailable(OmbudError):
    """The database cannot take the write now; nothing was stored. Try again."""


class TooManyLogins(OmbudError):
    """Too many people log in at this moment. Try again."""


class KeyMissing(OmbudError):
    """The key file of this installation lacks a key that secrets are encrypted with. Whoever runs it brings it back."""


class NetworkError(OmbudError):
    """The other side could not be reached or did not answer in time."""
