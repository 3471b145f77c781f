"""History from files: a mapping file says what their rows mean. docs/import.md is its language.

`load` reads a mapping and checks it, `check` holds it against the files, `Reading` goes through the
rows. A row has one fate: accepted, or refused with file, line, column and reason.
"""

from .checking import is_weak
from .language import FileOf, Mapping, MappingError, Refused
from .loading import check, load, within
from .making import Made
from .reading import Counts, Packed, Reading, name_of, read

__all__ = [
    "Counts",
    "FileOf",
    "Made",
    "Mapping",
    "MappingError",
    "Packed",
    "Reading",
    "Refused",
    "check",
    "is_weak",
    "load",
    "name_of",
    "read",
    "within",
]
