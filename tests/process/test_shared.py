"""Shared namespaces between processes, and what becomes of them when processes die."""

import select

from probe import Probe


def members(tmp_path, n):
    probes = [Probe() for _ in range(n)]
    for probe in probes:
        probe.open(tmp_path)
    return probes


def test_one_of_eight_initialises(tmp_path):
    probes = members(tmp_path, 8)
    for probe in probes:
        probe.send("join", 0)
    told = []
    while not told:  # the others wait for it
        readable = select.select([probe.process.stdout for probe in probes], [], [], 30)[0]
        assert readable
        told = [probe for probe in probes if probe.process.stdout in readable]
    assert len(told) == 1
    assert told[0].line() == "ok 1"
    told[0].ask("incr", 0, 1)
    told[0].ask("ready", 0)
    for probe in probes:
        if probe is not told[0]:
            assert probe.line() == "ok 0"
            assert probe.ask("incr", 0, 1).startswith("ok ")
    assert told[0].ask("incr", 0, 1) == "ok 9"
    for probe in probes:
        probe.finish()


def test_the_next_one_takes_over_from_a_killed_initialiser(tmp_path):
    first, second = members(tmp_path, 2)
    assert first.ask("join", 0) == "ok 1"
    first.ask("incr", 0, 5)
    second.send("join", 0)
    first.kill()
    assert second.line() == "ok 1"
    assert second.ask("incr", 0, 1) == "ok 1"  # what was half made is gone
    second.kill()


def test_after_all_are_killed_the_next_begins_empty(tmp_path):
    probes = members(tmp_path, 3)
    assert probes[0].ask("join", 0) == "ok 1"
    probes[0].ask("ready", 0)
    assert [probe.ask("join", 0) for probe in probes[1:]] == ["ok 0", "ok 0"]
    probes[1].ask("incr", 0, 5)
    for probe in probes:
        probe.kill()
    with Probe() as probe:
        probe.open(tmp_path)
        assert probe.ask("join", 0) == "ok 1"
        assert probe.ask("incr", 0, 1) == "ok 1"


def test_four_processes_lose_no_increment(tmp_path):
    probes = members(tmp_path, 4)
    assert probes[0].ask("join", 0) == "ok 1"
    probes[0].ask("ready", 0)
    for probe in probes[1:]:
        assert probe.ask("join", 0) == "ok 0"
    for probe in probes:
        probe.send("incr", 0, 200)
    for probe in probes:
        assert probe.line().startswith("ok ")
    assert probes[0].ask("incr", 0, 1) == "ok 801"
    for probe in probes:
        probe.finish()
