"""The records of each topic as pydantic models. They describe; the codecs beside them write and read."""
