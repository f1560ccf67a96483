"""Reading PDF objects with references followed; pyHanko's `get` and iteration return them as they stand."""

from collections.abc import Iterator
from typing import Any

from pyhanko.pdf_utils import generic


def entry(dictionary: generic.DictionaryObject, key: str, default: Any = None) -> Any:
    """Return an entry's value, or `default` where it is absent or null."""
    try:
        value = dictionary[key]
    except KeyError:
        return default
    return default if isinstance(value, generic.NullObject) else value


def elements(array: Any) -> Iterator[Any]:
    """Yield the values of an array; nothing where the object is no array."""
    if isinstance(array, generic.ArrayObject):
        for index in range(len(array)):
            yield array[index]


def references(array: Any) -> list[Any]:
    """Return the elements of an array as they stand: references not followed."""
    if not isinstance(array, generic.ArrayObject):
        return []
    return [array.raw_get(index) for index in range(len(array))]
