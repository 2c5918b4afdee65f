"""The Python package, as installed from its wheel: what needs a broker. client/python/tests has the rest."""

import json
import subprocess

import pytest
from broker import PASSWORD, USER, Broker
from calls import Registry
from daemon import TOOLS, Confregd, until

pytestmark = [pytest.mark.own_store, pytest.mark.own_checks]

PYTHON = TOOLS.parent / "python-package" / "bin" / "python"

# As the documentation of the old service shows it, with another import line.
PROGRAM = """
import json, sys
from confreg import create_subscriber

subscriber = create_subscriber(bus_type="rabbitmq", host="127.0.0.1", port=int(sys.argv[1]))

def on_config_change(event):
    print(json.dumps(event), flush=True)
    if event["comment"] == "fail":
        raise RuntimeError("this callback fails")
    if event["comment"] == "stop":
        subscriber.stop()

subscriber.subscribe(sys.argv[2], on_config_change)
print("waiting" if subscriber.wait_listening(120) else "in vain", flush=True)
subscriber._thread.join()
print("ended", flush=True)
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("broker")).start()
    yield broker
    broker.end()


@pytest.fixture
def registry(launch, broker):
    return Registry(launch(Confregd, extra=["--bus", broker.address()]).start().stub)


@pytest.fixture
def subscribe(broker, tmp_path):
    started = []

    def start(events):
        log = tmp_path / f"subscriber{len(started)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [PYTHON, "-c", PROGRAM, str(broker.port), events], stdout=out, stderr=out,
                env={"MESSAGE_BUS_USER": USER, "MESSAGE_BUS_PASSWORD": PASSWORD})
        started.append(process)
        until(lambda: "waiting" in log.read_text(), log.read_text, 180)
        return lambda: [json.loads(line) for line in log.read_text().splitlines()
                        if line.startswith("{")]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(60)


def kinds(events):
    return [(event["change_type"], event["comment"]) for event in events()]


def test_a_subscriber_hears_every_event(registry, subscribe):
    everything, deletes = subscribe("config.changes"), subscribe("config.deleted")
    registry.create("billing", comment="first")
    registry.update("billing", comment="fail")
    registry.delete("billing", comment="gone")
    until(lambda: len(everything()) == 3 and deletes(), "all have come")
    assert kinds(everything) == [("created", "first"), ("updated", "fail"), ("deleted", "gone")]
    assert kinds(deletes) == [("deleted", "gone")]
    assert everything()[0]["service_name"] == "billing"


def test_a_subscriber_ends_in_its_callback(registry, subscribe, tmp_path):
    subscribe("config.changes")
    registry.create("billing", comment="stop")
    until(lambda: "ended" in (tmp_path / "subscriber0.log").read_text(), "it has ended")


def test_a_subscriber_connects_again(registry, subscribe, broker):
    events = subscribe("config.changes")
    registry.create("billing", comment="first")
    until(lambda: len(events()) == 1, "it has come")
    broker.kill()
    broker.start()

    def has_heard():
        registry.update("billing", comment="again")
        return ("updated", "again") in kinds(events)

    until(has_heard, "an event after the restart has come")
