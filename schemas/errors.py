"""The base of what leadstream raises for a person to act on.

The message says what is wrong and whose move it is: mend this line, start that process, wait. The
command line shows it as one line, without a traceback, and ends with `exit_code`. An exception that
only code handles (a row that does not fit, a private signal) needs no such base.
"""

from __future__ import annotations

from typing import ClassVar


class LeadstreamError(Exception):
    """Something that a person can mend; the text says what, and whose move it is."""

    exit_code: ClassVar[int] = 1
