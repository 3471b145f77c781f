"""Where alerts go: to the team that owns them, whatever teams a funnel file has."""

import subprocess
import sys

import pytest
import yaml

from schemas.calendars import Team
from schemas.reading import FUNNELS, load
from tests.conftest import tool
from tests.support.deployed import builder

BUILT = builder("alertmanager")
FILES = {path.stem: path for path in [FUNNELS / "default.yaml", *FUNNELS.glob("examples/*.yaml")]}
# By file and team: whom its alerts reach.
RECEIVERS = {
    "default": {
        "marketing": ["marketing"],
        "joint": ["marketing", "sales"],
        "sales": ["sales"],
        "customer_success": ["customer_success"],
    },
    "product-led": {name: [name] for name in ("growth", "sdr", "sales", "success")},
    "sales-led": {"sales": ["sales"]},
    "japanese": {name: [name] for name in ("マーケティング", "営業")},
}


def ran(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def routed(file, **labels):
    """Return the receivers of an alert, as Alertmanager chooses them."""
    amtool = tool("amtool", "prometheus-alertmanager")
    wanted = [f"{name}={value}" for name, value in labels.items()]
    chosen = ran(amtool, "config", "routes", "test", f"--config.file={file}", *wanted).strip()
    return [name.removesuffix(BUILT.NOBODY) for name in chosen.split(",")]


@pytest.fixture
def written(tmp_path):
    def write(name, **known):
        file = tmp_path / "alertmanager.yml"
        file.write_text(BUILT.build(load(FILES[name]), known))
        return file

    return write


def test_the_committed_routes_are_those_of_the_default_funnel():
    assert BUILT.TARGET.read_text() == BUILT.build(load(FILES["default"]))


@pytest.mark.parametrize("name", RECEIVERS)
def test_alertmanager_reads_the_routes_of_any_funnel(written, name):
    check = ran(tool("amtool", "prometheus-alertmanager"), "check-config", written(name))
    assert "SUCCESS" in check


@pytest.mark.parametrize("severity", ["warning", "critical"])
@pytest.mark.parametrize("name", RECEIVERS)
def test_an_alert_of_any_team_of_any_funnel_reaches_it(written, name, severity):
    file, teams = written(name), RECEIVERS[name]
    assert set(teams) == set(load(FILES[name]).teams)
    for team, receivers in {**teams, "operations": ["operations"], "moved": ["operations"]}.items():
        assert routed(file, owner_team=team, severity=severity) == receivers
    assert routed(file, severity=severity) == ["operations"]


def test_what_is_critical_comes_at_once_and_again_each_hour():
    made = BUILT.configuration(load(FILES["product-led"]), {})
    for route in made["route"]["routes"]:
        (urgent,) = route["routes"]
        assert urgent["matchers"] == ['severity="critical"']
        assert urgent["receiver"] == route["receiver"]
        assert (urgent["group_wait"], urgent["repeat_interval"]) == ("0s", "1h")


def test_a_team_of_others_reaches_each_of_them_and_a_name_may_be_any_text(tmp_path):
    funnel = load(FILES["sales-led"])
    of = {"a": ("b", "c", "sales"), "b": (), "c": (), 'so "called"': ()}
    teams = {name: Team(calendar="office", of=members) for name, members in of.items()}
    file = tmp_path / "alertmanager.yml"
    file.write_text(BUILT.build(funnel.model_copy(update={"teams": {**funnel.teams, **teams}})))
    assert routed(file, owner_team="a") == ["b", "c", "sales"]
    made = yaml.safe_load(file.read_text())["route"]["routes"]
    assert 'owner_team="so \\"called\\""' in [one["matchers"][0] for one in made]


def test_a_channel_that_was_filled_in_is_kept_when_the_file_is_made_again(written):
    channel = {"webhook_configs": [{"url": "https://chat.example.com/sales"}]}
    file = written("default", sales=channel)
    assert BUILT.channels(file) == {"sales": channel}
    again = BUILT.build(load(FILES["default"]), BUILT.channels(file))
    assert again == file.read_text()
    assert "sales-nobody-told-yet" not in again
    assert "marketing-nobody-told-yet" in again


def test_a_receiver_that_tells_nobody_says_so_in_its_name(written):
    channel = {"webhook_configs": [{"url": "http://a"}]}
    filled = dict.fromkeys((*load(FILES["default"]).teams, "operations"), channel)
    for text in (BUILT.TARGET.read_text(), written("default", **filled).read_text()):
        for receiver in yaml.safe_load(text)["receivers"]:
            configured = any(key.endswith("_configs") for key in receiver)
            assert configured is not receiver["name"].endswith(BUILT.NOBODY), receiver["name"]
        assert ("# NOBODY IS TOLD YET" in text) is (BUILT.NOBODY in text)


def test_the_script_prints_routes_to_one_address_for_every_team():
    printed = ran(
        sys.executable,
        BUILT.__file__,
        FILES["product-led"],
        "--webhook",
        "http://127.0.0.1:9/alerts",
        "--print",
    )
    made = yaml.safe_load(printed)
    assert {one["name"] for one in made["receivers"]} == {
        "operations", "growth", "sdr", "sales", "success",
    }  # fmt: skip
    assert {one["webhook_configs"][0]["url"] for one in made["receivers"]} == {
        "http://127.0.0.1:9/alerts"
    }
