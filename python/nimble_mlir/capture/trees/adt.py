"""`nm.adt`: algebraic data types, whose values are ordinary Python objects and cross into a compiled module as arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.core
import numpy as np

from nimble_mlir.errors import CaptureError, ShapeError

from .references import Reference, maker
from .structure import NotStructuralError

__all__ = ["Adt", "Constructor", "Part", "adt", "array_field", "constructor", "is_value", "match"]


@dataclass(frozen=True)
class Field:
    """A field of a constructor: an array of `spec`, or a value of the type itself where `spec` is None."""

    name: str
    spec: jax.ShapeDtypeStruct | None


class Constructor:
    """A way to make a value: called with the fields, in order or by name. Made by `nm.constructor`."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = dict(given)
        self.fields: tuple[Field, ...] = ()
        self.name = ""
        self.type: Any = None

    def bind(self, type_: Any, name: str) -> None:
        """Makes this the constructor `name` of the type, whose fields are checked."""
        self.type, self.name = type_, name
        self.fields = tuple(Field(field, self._spec(field, given)) for field, given in self._given.items())

    def _spec(self, field: str, given: Any) -> Any:
        if given == self.type.__name__:
            return None
        if not hasattr(given, "shape") or not hasattr(given, "dtype"):
            raise CaptureError(
                f"{self}: field '{field}' must be nm.spec(shape, dtype) or '{self.type.__name__}', got {given!r}"
            )
        if not all(isinstance(size, int) for size in given.shape):
            raise CaptureError(f"{self}: field '{field}' needs sizes that are integers, got {given.shape}")
        return given

    @functools.cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    @functools.cached_property
    def children(self) -> tuple[str, ...]:
        """The names of the recursive fields."""
        return tuple(field.name for field in self.fields if field.spec is None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The value with these fields. Raises ShapeError, naming constructor and field."""
        names = self._names
        given = dict(zip(names, args, strict=False))
        if kwargs or len(args) != len(names):
            unknown = [name for name in kwargs if name not in names or name in given]
            if len(args) > len(names) or unknown or len(given) + len(kwargs) != len(names):
                raise ShapeError(f"{self} has the fields ({', '.join(names)}); got {len(args)} and {sorted(kwargs)}")
            given |= kwargs
        make = maker()
        if make is not None:
            return make(self, given)
        return self.made({field.name: self.checked(field, given[field.name]) for field in self.fields})

    def made(self, fields: Mapping[str, Any]) -> Any:
        """The value with fields that were checked."""
        value = object.__new__(self.type)
        value.__dict__.update(fields, constructor=self)
        return value

    def checked(self, field: Field, value: Any) -> Any:
        """The value of a field as it is kept. Raises ShapeError."""
        spec = field.spec
        if spec is None:
            if not isinstance(value, self.type) or not isinstance(value.constructor, Constructor):
                raise ShapeError(
                    f"{self}: field '{field.name}' must be a {self.type.__name__}, got {type(value).__name__}"
                )
            return value
        if type(value) is np.ndarray and value.shape == spec.shape and value.dtype == spec.dtype:
            return value  # most are; to say where the field stands takes longer than to look
        return array_field(value, spec, f"{self}: field '{field.name}'")

    def __str__(self) -> str:
        return f"{self.type.__name__}.{self.name}"


def array_field(value: Any, spec: Any, where: str) -> Any:
    """`value` as an array of exactly this shape and dtype. Python numbers take the dtype, others must have it."""
    weak = not hasattr(value, "dtype")
    if weak or not isinstance(value, jax.Array | jax.core.Tracer):
        try:
            value = np.asarray(value, spec.dtype if weak else None)
        except (TypeError, ValueError, OverflowError) as error:
            raise ShapeError(f"{where}: expected {spec.dtype}{list(spec.shape)}: {error}") from error
    if value.shape != tuple(spec.shape) or value.dtype != spec.dtype:
        raise ShapeError(f"{where} must be {spec.dtype}{list(spec.shape)}, got {value.dtype}{list(value.shape)}")
    return value


@dataclass(frozen=True)
class Part:
    """Stands for the constructor of a part of a traced value: nobody knows it as the function is traced."""

    field: str


class Adt:
    """The base of all types that `nm.adt` makes.

    A value has its fields as attributes, and `constructor`, which has a `name`. Attributes can be set; the fields are
    checked. Values are compared by identity.
    """

    constructors: tuple[Constructor, ...] = ()
    constructor: Any

    def __init__(self) -> None:
        names = ", ".join(str(constructor) for constructor in self.constructors)
        raise CaptureError(f"values of {type(self).__name__} are made by {names}")

    def __setattr__(self, name: str, value: Any) -> None:
        constructor = self.constructor
        fields = {field.name: field for field in constructor.fields} if isinstance(constructor, Constructor) else {}
        if name not in fields:
            raise ShapeError(f"{constructor} has no field '{name}' that could be set")
        self.__dict__[name] = constructor.checked(fields[name], value)

    def __repr__(self) -> str:
        return f"{self.constructor}(…)" if isinstance(self.constructor, Constructor) else f"{type(self).__name__}(…)"


def constructor(**fields: Any) -> Any:
    """A constructor for `nm.adt`: each field is `nm.spec(shape, dtype)`, or the name of the type for a part."""
    return Constructor(fields)


def adt(cls: type) -> Any:
    """Declares an algebraic data type: the constructors (`nm.constructor`) among the attributes of a class.

    Their values are ordinary Python objects, which cross into a compiled module as arrays (docs/abi.md). Raises
    CaptureError without a constructor, for one that is another type's, and where no value is finite."""
    found = {name: value for name, value in vars(cls).items() if isinstance(value, Constructor)}
    if not found:
        raise CaptureError(f"{cls.__name__}: an nm.adt needs at least one nm.constructor")
    body = {"__doc__": cls.__doc__, "__module__": cls.__module__, "__qualname__": cls.__qualname__, **found}
    made = type(cls.__name__, (Adt,), {**body, "constructors": tuple(found.values())})
    for name, made_by in found.items():
        if made_by.type is not None:
            raise CaptureError(f"{cls.__name__}: the constructor '{name}' is one of {made_by.type.__name__} already")
        made_by.bind(made, name)
    if all(one.children for one in made.constructors):
        raise CaptureError(f"{cls.__name__}: every constructor has parts, so there is no finite value")
    from .layout import register

    register(made)
    return made


def match(value: Any, /, **handlers: Callable[..., Any]) -> Any:
    """Takes a value of an `nm.adt` apart: calls the handler named like its constructor with the fields, in order.

    Every constructor needs a handler; all of them return the same structure, shapes and dtypes within `nm.recursive`. Raises
    ShapeError for another value, CaptureError for a handler that is missing or of no constructor."""
    if not isinstance(value, Adt):
        raise ShapeError(f"nm.match needs a value of an nm.adt, got {type(value).__name__}")
    type_ = type(value)
    known = [one.name for one in type_.constructors]
    for name in handlers:
        if name not in known:
            raise CaptureError(f"nm.match: {type_.__name__} has no constructor '{name}'; it has {_listed(known)}")
    missing = [name for name in known if name not in handlers]
    if missing:
        raise CaptureError(f"nm.match: no handler for {type_.__name__}.{missing[0]}")
    found = value.constructor
    if isinstance(found, Reference):
        return found.match(handlers)
    if isinstance(found, Part):
        raise NotStructuralError(
            f"nm.match of the part '{found.field}' of a {type_.__name__}: a compiled function takes apart its own argument "
            "only; give the part to the recursive function"
        )
    if found is None:
        raise CaptureError(f"nm.match of a {type_.__name__} in a compiled function needs an nm.recursive function")
    return handlers[found.name](*(value.__dict__[field.name] for field in found.fields))


def is_value(leaf: Any) -> bool:
    """Whether `leaf` is a value of an `nm.adt`: for JAX's `is_leaf`."""
    return isinstance(leaf, Adt)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
