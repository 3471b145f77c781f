"""The records of each topic: their models, their codecs, and a registry of writers and readers.

A record names itself: `record` says what it is, `version` in which version of its form. Contract
tests hold every reader to these rules of change:

- A reader ignores keys that it does not know, and a key that was added later has a default. So
  adding a key needs no new version: an old reader takes a new record, a new reader an old one.
- Whatever else changes raises the version. The newest release reads every version that was ever
  written; `versions.py` converts older ones, so nothing behind it knows them.
- A record of an unknown kind, or of a later version, is refused with a text that says who must act.

Hot paths write and read plain dicts and tuples (`touches.py`, `facts.py`); tests hold them to the
models. Bodies that pass through unread stay bytes (orjson.Fragment): no string holds JSON.
"""
