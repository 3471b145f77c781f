"""The live page as a process of its own, and looks at it in Chromium: screenshots, axe-core."""

import base64
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from streams.embedded.home import free_port
from tests.conftest import ROOT, tool
from tests.support.browsers import FLAGS
from tests.support.jobs import until
from tests.support.market import Market

# Only a run that is meant to keeps its screenshots in docs: a machine's fonts differ.
WRITES = os.environ.get("LEADSTREAM_SCREENS") == "write"
SCREENS = ROOT / "docs" / "screens"
# Draws an image again with the 256 colours that it has most of: a third of the bytes.
_SMALL = """async data => {
  const image = await createImageBitmap(
    await (await fetch("data:image/png;base64," + data)).blob());
  const [w, h] = [image.width, image.height];
  const context = new OffscreenCanvas(w, h).getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, w, h).data.buffer);
  const counts = new Map();
  for (const one of pixels) counts.set(one, (counts.get(one) || 0) + 1);
  const palette = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 256).map(one => one[0]);
  const places = new Map(palette.map((one, place) => [one, place]));
  const far = (a, b) => [0, 8, 16].reduce(
    (sum, bits) => sum + Math.abs(((a >> bits) & 255) - ((b >> bits) & 255)), 0);
  const nearest = one => {
    let best = 0;
    palette.forEach((known, place) => {
      if (far(known, one) < far(palette[best], one)) best = place; });
    places.set(one, best);
    return best;
  };
  const rows = new Uint8Array(h * (w + 1));
  for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
    const one = pixels[y * w + x];
    rows[y * (w + 1) + x + 1] = places.get(one) ?? nearest(one);
  }
  const squeezed = new Uint8Array(await new Response(
    new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"))).arrayBuffer());
  const table = [...Array(256).keys()].map(n => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n >>> 0; });
  const chunk = (name, bytes) => {
    const body = new Uint8Array([...new TextEncoder().encode(name), ...bytes]);
    let sum = 0xffffffff;
    for (const byte of body) sum = table[(sum ^ byte) & 255] ^ (sum >>> 8);
    const whole = new Uint8Array(body.length + 8), view = new DataView(whole.buffer);
    view.setUint32(0, bytes.length);
    whole.set(body, 4);
    view.setUint32(body.length + 4, (sum ^ 0xffffffff) >>> 0);
    return whole;
  };
  const head = new Uint8Array(13), view = new DataView(head.buffer);
  view.setUint32(0, w);
  view.setUint32(4, h);
  head.set([8, 3, 0, 0, 0], 8);
  const colours = new Uint8Array(palette.flatMap(
    one => [one & 255, (one >> 8) & 255, (one >> 16) & 255]));
  const file = new Blob([new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]), chunk("IHDR", head),
    chunk("PLTE", colours), chunk("IDAT", squeezed), chunk("IEND", new Uint8Array())]);
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768)
    text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
}"""


@contextmanager
def answering(command, port, seconds, /, **environment):
    """Run a Python module that serves on a port; yield its address once it answers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEADSTREAM_")}
    more = {f"LEADSTREAM_{name.upper()}": value for name, value in environment.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=ROOT, env=kept | {"PYTHONPATH": str(ROOT)} | more
    )
    try:
        end = time.monotonic() + seconds
        while True:
            assert process.poll() is None, "the page died"
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz")
                break
            except httpx.HTTPError:
                assert time.monotonic() < end, "the page does not answer"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def serving(settings, **environment):
    """Run `leadstream live` on a ClickHouse; yield its address."""
    port = free_port()
    own = {
        "clickhouse_url": settings.clickhouse_url,
        "clickhouse_password": settings.clickhouse_password.get_secret_value(),
        "gateway_url": "http://127.0.0.1:8381",
        "port": str(port),
    }
    with answering(["streams.cli.main", "live"], port, 60, **own | environment) as address:
        yield address


class Road(socketserver.ThreadingTCPServer):
    """A way to a server on loopback that can be cut, for whoever is connected and comes later."""

    daemon_threads = allow_reuse_address = True

    def __init__(self, port):
        self.to, self.open, self.ends = port, True, []
        super().__init__(("127.0.0.1", 0), _Passage)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def cut(self):
        self.open = False
        for one in self.ends:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class _Passage(socketserver.BaseRequestHandler):
    def handle(self):
        if not self.server.open:
            return
        with socket.create_connection(("127.0.0.1", self.server.to)) as there:
            self.server.ends += [self.request, there]
            back = threading.Thread(target=_pour, args=(there, self.request), daemon=True)
            back.start()
            _pour(self.request, there)
            back.join()


def _pour(source, into):
    with suppress(OSError):
        while data := source.recv(65_536):
            into.sendall(data)
    for one in (source, into):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def settled(page):
    """Wait until every card has its answer, and charts are drawn."""
    page.wait_for_function(
        """() => document.querySelector(".notice") && (
            document.querySelector(".notice [data-state]:not([data-state=loading])") ||
            (document.querySelector(".freshness:not(:empty)")
             && !document.querySelector("[data-state=loading]")))""",
        timeout=120_000,
    )
    page.wait_for_function(
        """() => [...document.querySelectorAll(".chart")]
            .filter(one => one.offsetParent).every(one => one.querySelector("svg path"))"""
    )


@pytest.fixture(scope="module")
def market(engine):
    """Play the market on an emptied engine, and tell it the time for as long as a file runs."""
    from sinks.clickhouse.rows import ORDER
    from streams.connections import clickhouse_client

    client = clickhouse_client(engine)
    for table in ORDER:
        client.command(f"TRUNCATE TABLE {table}")
    played, ended = Market(engine, int(time.time() * 1000)), threading.Event()
    played.play()

    def tick():
        while not ended.wait(2.0):
            played.tick(int(time.time() * 1000))

    ticking = threading.Thread(target=tick)
    ticking.start()
    yield played
    ended.set()
    ticking.join()


@pytest.fixture(scope="module")
def base(engine, market):
    """Yield the address of a page on the played market."""
    with serving(engine) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as player:
        running = player.chromium.launch(executable_path=tool("chromium", "chromium"), args=FLAGS)
        yield running
        running.close()


class Looks:
    """Keeps screenshots, and asks axe-core about each page that it keeps."""

    def __init__(self, browser, folder):
        self.browser, self.axe = browser, Axe()
        self.folder = SCREENS if WRITES else Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.canvas = browser.new_context().new_page()

    def keep(self, page, name, *, whole=False):
        """Write a screenshot; whole is the page to its end, else what stands on the screen."""
        shot = page.screenshot(full_page=whole, animations="disabled")
        small = self.canvas.evaluate(_SMALL, base64.b64encode(shot).decode())
        (self.folder / f"{name}.png").write_bytes(base64.b64decode(small))

    def faults(self, page):
        """Return what axe-core finds serious or critical."""
        found = self.axe.run(page).response["violations"]
        return [
            (one["id"], one["help"], [node["html"][:200] for node in one["nodes"][:3]])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]


def fresh(page):
    """Wait for a refresh that came after now: figures may have changed since the last one."""
    shown = page.locator(".freshness")
    seen = shown.get_attribute("data-drawn")
    until(lambda: shown.get_attribute("data-drawn") != seen, "a refresh")
