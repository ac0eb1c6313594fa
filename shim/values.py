"""Frozen values without the cost of `dataclasses`.

An intercepted call is started for every container, so nothing on its path may import `dataclasses` (17 ms) or
`typing` (11 ms). `Value` gives what the program needs of them: keyword-only construction, immutability, equality
by content and a readable `repr`. Type checkers see an ordinary frozen dataclass.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from typing_extensions import dataclass_transform

    Same = TypeVar("Same", bound="Value")

    @dataclass_transform(kw_only_default=True, frozen_default=True)
    class Value:
        """A frozen, keyword-only value; its fields are the class annotations, defaults the class attributes."""

        def changed(self: Same, **fields: object) -> Same: ...

else:

    class Value:
        """A frozen, keyword-only value; its fields are the class annotations, defaults the class attributes."""

        def __init__(self, **fields):
            if __debug__:  # the archive's code is without it: a type checker has seen every call
                known = type(self).__annotations__
                for name in fields:
                    if name not in known:
                        raise TypeError(f"{type(self).__name__} has no field {name!r}")
                for name in known:
                    if name not in fields and not hasattr(type(self), name):
                        raise TypeError(f"{type(self).__name__} needs the field {name!r}")
            self.__dict__.update(fields)

        def __setattr__(self, name, value):
            raise AttributeError(f"{type(self).__name__} is frozen: cannot set {name!r}")

        def __delattr__(self, name):
            raise AttributeError(f"{type(self).__name__} is frozen: cannot delete {name!r}")

        def _fields(self):
            return {name: getattr(self, name) for name in type(self).__annotations__}

        def __eq__(self, other):
            return type(self) is type(other) and self._fields() == other._fields()

        def __hash__(self):
            return hash((type(self).__name__, tuple(map(repr, self._fields().values()))))

        def __repr__(self):
            inside = ", ".join(f"{name}={value!r}" for name, value in self._fields().items())
            return f"{type(self).__name__}({inside})"

        def changed(self, **fields):
            """Return a copy with some fields replaced."""
            return type(self)(**{**self.__dict__, **fields})
