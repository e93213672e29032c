"""examples/postgresql/compose.yaml: its form, by the rules of the Compose Specification for what it uses, and no more than
that: nothing is started. What it says is compared with what the documentation and the backend say."""

import re

import pytest
import yaml

from conftest import ROOT

FILE = ROOT / "examples/postgresql/compose.yaml"
DURATION = re.compile(r"(\d+(us|ms|s|m|h))+")
SIZE = re.compile(r"\d+(b|k|kb|m|mb|g|gb)")
NAME = re.compile(r"[a-zA-Z0-9._-]+")
PORTS = re.compile(r"127\.0\.0\.1:\d+:\d+")    # of the forms that there are, the one for this machine alone
IMAGE = re.compile(r"[a-z0-9./_-]+:(?!latest$)[\w.-]+")
RESTART = ("no", "always", "unless-stopped")

HEALTH = {"test": list, "interval": DURATION, "timeout": DURATION, "retries": int, "start_period": DURATION}
SERVICE = {"image": IMAGE, "environment": dict, "ports": list, "volumes": list, "shm_size": SIZE,
           "stop_grace_period": DURATION, "restart": RESTART, "healthcheck": HEALTH}


def faults(value, rule, place):
    """What is wrong with a value, by a rule: a type, a pattern, a choice, or a table of rules."""
    if isinstance(rule, dict):
        if not isinstance(value, dict):
            return [f"{place} is no mapping"]
        found = [f"{place}.{name} is not known" for name in value.keys() - rule.keys()]
        for name in value.keys() & rule.keys():
            found += faults(value[name], rule[name], f"{place}.{name}")
        return found
    if isinstance(rule, re.Pattern):
        fits = isinstance(value, str) and rule.fullmatch(value)
    elif isinstance(rule, tuple):
        fits = value in rule
    else:
        fits = isinstance(value, rule)
    return [] if fits else [f"{place} is {value!r}"]


def faults_of(document):
    services = document.get("services", {})
    found = faults({key: value for key, value in document.items() if key not in ("services", "volumes")},
                   {"name": re.compile(r"[a-z0-9][a-z0-9_-]*")}, "file")
    for name, service in services.items():
        found += [] if NAME.fullmatch(name) else [f"service {name}"]
        found += faults(service, SERVICE, name)
        for port in service.get("ports", []):
            found += faults(port, PORTS, f"{name}.ports")
        for volume in service.get("volumes", []):
            source = str(volume).split(":", 1)[0]
            found += [] if source in document.get("volumes", {}) else [f"{name}: no volume {source}"]
        test = service.get("healthcheck", {}).get("test") or [""]
        found += [] if test[0] in ("NONE", "CMD", "CMD-SHELL") else [f"{name}.healthcheck.test is {test}"]
    return found if services else ["no services"]


@pytest.fixture
def document():
    return yaml.safe_load(FILE.read_text())


def test_the_form_is_right(document):
    assert faults_of(document) == []


@pytest.mark.parametrize("change", [
    lambda d: d["services"]["postgres"].update(helthcheck={}),
    lambda d: d["services"]["postgres"]["healthcheck"].update(interval="5"),
    lambda d: d["services"]["postgres"]["healthcheck"].update(test=["pg_isready"]),
    lambda d: d["services"]["postgres"].update(ports=["5432:5432"]),
    lambda d: d["services"]["postgres"].update(image="pgvector/pgvector"),
    lambda d: d.update(volumes={}),
    lambda d: d.update(servces={}),
])
def test_a_wrong_form_is_found(document, change):
    change(document)
    assert faults_of(document)


def test_it_is_what_the_backend_needs(document):
    service = document["services"]["postgres"]
    assert service["image"] == "pgvector/pgvector:pg17"    # the version that the tests have, with the extension
    # no password is in the file, and without one nothing starts
    assert service["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")
    test = service["healthcheck"]["test"]
    assert test[test.index("-d") + 1] == service["environment"]["POSTGRES_DB"]
    assert test[test.index("-U") + 1] == service["environment"]["POSTGRES_USER"]
    # the URL in its first lines is of this user, port and database
    host, port, _ = service["ports"][0].split(":")
    user, database = service["environment"]["POSTGRES_USER"], service["environment"]["POSTGRES_DB"]
    assert f"postgres://{user}:$POSTGRES_PASSWORD@{host}:{port}/{database}" in FILE.read_text()
