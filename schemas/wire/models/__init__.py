"""The records of each topic as pydantic models; the codecs beside them write and read."""
