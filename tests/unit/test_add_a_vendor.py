"""docs/how-to/add-a-vendor.md, followed: its file beside the vendors, whom everything knows."""

import subprocess
import sys
import textwrap

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "how-to" / "add-a-vendor.md"
FOLLOWED = """
    import sys
    import streams.sources.vendors as vendors
    vendors.__path__.append(sys.argv[1])

    import orjson
    from starlette.testclient import TestClient
    from schemas.reading import FUNNELS, load
    from streams.agents.normalise import normalise
    from streams.domain.aliases import record_kind
    from streams.embedded import home
    from streams.intake.gateway import application
    from streams.settings import Settings
    from streams.sources import measuring, registry
    from streams.sources.proof import hex_digest
    from tests.attack.server import Acknowledging
    from tests.support.kafka import record

    part = {
        "event_id": "7",
        "account": "1",
        "at": "2026-11-03T09:00:00Z",
        "kind": "call.logged",
        "person": {"id": 5, "email": "a@b.example"},
    }
    ignored, unreadable = {"event_id": "8", "kind": "invoice.sent"}, {"event_id": "9", "at": "soon"}
    body = orjson.dumps([part, {**part, **ignored}, {**part, **unreadable}])
    producer = Acknowledging()
    settings = Settings(acme_secret="new", acme_secret_previous="old")
    with TestClient(application(settings, lambda: producer)) as client:
        for secret, status in (("new", 202), ("old", 202), ("other", 401)):
            proof = {"X-Acme-Signature": hex_digest(secret, body)}
            assert client.post("/v1/acme", content=body, headers=proof).status_code == status
        schemes = client.get("/openapi.json").json()["components"]["securitySchemes"]
        assert "AcmeSignature" in schemes
    raw = record(body, headers=[("leadstream-source", b"acme")])
    read = normalise(raw, registry.connection(lambda _name: "", "UTC"))
    (event,) = [orjson.loads(out.value)["event"] for out in read.outs]
    assert (event["type"], event["direction"]) == ("touch", "human")
    assert (read.ignored, len(read.rejected)) == (("invoice.sent",), 1)
    assert event["aliases"] == ["acme:1:person:5", "email:a@b.example"]
    assert record_kind("acme:1:person:5") == "acme:1:person"
    funnel = load(FUNNELS / "default.yaml").model_copy(update={"enabled_sources": ("acme",)})
    assert measuring.work(funnel) == {"inbound", "human"}
    assert measuring.silent(funnel) == []
    assert "mql.decision" in measuring.not_measured(funnel)
    assert "mql.first_touch" not in measuring.not_measured(funnel)
    assert "acme_secret" in home.SECRETS
"""


def test_the_file_of_the_page_is_all_that_a_vendor_needs(tmp_path):
    text = PAGE.read_text()
    (tmp_path / "acme.py").write_text(text.split("```python\n")[1].split("```")[0])
    command = [sys.executable, "-c", textwrap.dedent(FOLLOWED), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
