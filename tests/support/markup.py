"""HTML as tests read it: that every element ends, what stands in each, what would be loaded."""

from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "input", "link", "img"}
LOADS = {"src", "srcset", "data", "poster", "background", "action", "xlink:href", "ping", "style"}


class Page(HTMLParser):
    """A page: `elements` are (name, attributes, text) in their order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self._open, self.loads = [], [], []
        self.feed(text)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, name, attributes):
        element = [name, dict(attributes), ""]
        self.elements.append(element)
        self.loads += [
            (name, key, value)
            for key, value in attributes
            if key in LOADS and value != "position:absolute"
        ]
        if name in ("script", "link", "img", "iframe", "object", "embed", "base"):
            self.loads.append((name, "", ""))
        assert not [key for key, _ in attributes if key.startswith("on")]
        if name not in VOID:
            self._open.append(element)

    def handle_startendtag(self, name, attributes):
        self.handle_starttag(name, attributes)
        if name not in VOID:
            self._open.pop()

    def handle_endtag(self, name):
        assert self._open, name
        assert self._open.pop()[0] == name

    def handle_data(self, data):
        for element in self._open:
            element[2] += data

    def all(self, name, **attributes):
        return [
            one for one in self.elements if one[0] == name and attributes.items() <= one[1].items()
        ]
