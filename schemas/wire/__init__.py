"""What stands on Kafka: for each topic its records as versioned models, and who writes and reads them.

A record names itself: `record` says what it is, `version` in which version of its form. The rules of
change, which the contract tests hold every reader to:

- A reader ignores keys that it does not know, and a key that was added later has a default. So adding
  a key needs no new version: an old reader takes a new record, a new reader an old one.
- Whatever else changes raises the version. The newest release reads every version that was ever
  written; older ones are converted where they are read (`versions.py`), so nothing behind it knows them.
- A record of an unknown kind, or of a later version, is refused with a text that says whose move it is.

Hot paths write and read plain dicts and tuples (`touches.py`, `facts.py`); tests hold them to the models.
Bodies that pass through unread stay bytes (orjson.Fragment): there is no string that holds JSON.
"""
