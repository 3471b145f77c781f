"""A mapping and files in a folder, written in a line or two, read as `leadstream import` does."""

import copy

import yaml

from streams.sources import files

EVENT = {
    "type": "lead.created",
    "id": "t:{Id}",
    "alias": "email:{Email}",
    "time": {"column": "Created", "format": "iso", "zone": "UTC"},
}


def spec(file="a.csv", event=None, order="file", mapping=None, **more):
    """Return a mapping's document of one file; `event` changes its one event, `more` the file."""
    one = {"file": file, "key": "Id", **more}
    if "events" not in one and not {"spend", "targets"} & one.keys():
        one["events"] = [{**EVENT, **(event or {})}]
    return {
        "mapping": "t",
        "funnel": "default",
        "source": "shop",
        "order": order,
        **(mapping or {}),
        "files": [one],
    }


def _apart(document):
    """Return the document without parts that are one object: YAML would write them as aliases."""
    return (
        {name: _apart(one) for name, one in document.items()}
        if isinstance(document, dict)
        else [*map(_apart, document)]
        if isinstance(document, (list, tuple))
        else copy.copy(document)
    )


def write(folder, document, **contents):
    """Write a mapping and its files (`a_csv` is a.csv; text or bytes); return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        path = folder / name.replace("_", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path = folder / "mapping.yaml"
    path.write_text(
        document
        if isinstance(document, str)
        else yaml.safe_dump(_apart(document), sort_keys=False, allow_unicode=True)
    )
    return path


def run(folder, document, **contents):
    """Read all; return what was made, what was refused, and the counts."""
    path = write(folder, document, **contents)
    reading = files.Reading(files.load(path, folder), folder)
    found = list(reading)
    refused = [one for one in found if isinstance(one, files.Refused)]
    return [one for one in found if not isinstance(one, files.Refused)], refused, reading.counts


def problems(folder, document, **contents):
    """Return why a mapping is refused, line by line."""
    path = write(folder, document, **contents)
    try:
        files.load(path, folder)
    except files.MappingError as error:
        return str(error).splitlines()
    return []
