"""Consumes the events of config.changes as a service would: a durable queue bound to `config.#`."""

import contextlib
import json
import threading
import time

import pika

from daemon import until
from stubs import api_pb, pb
from watching import Watch

CONNECTION_LOST = (pika.exceptions.AMQPError, OSError)


class Event:
    def __init__(self, method, properties, body):
        self.key = method.routing_key
        self.properties = properties
        self.body = json.loads(body)
        self.heard_at = time.monotonic()
        epoch, revision, index = properties.message_id.split(":")
        self.epoch, self.place = epoch, (int(revision), int(index))

    def __repr__(self):
        return f"{self.place} {self.key} {self.body}"


class Listener(threading.Thread):
    """Keeps all events in the order of delivery. Reconnects if the connection is lost."""

    def __init__(self, broker, epoch, queue, arguments=None):
        super().__init__(daemon=True)
        self.broker, self.epoch, self.queue, self.arguments = broker, epoch, queue, arguments
        self.events = []
        self.failure = None
        self.ready = threading.Event()
        self.stopping = threading.Event()

    def start(self):
        super().start()
        assert self.ready.wait(60), "the listener's queue is not bound"
        return self

    def run(self):
        while not self.stopping.is_set():
            try:
                self.listen()
            except CONNECTION_LOST:
                self.stopping.wait(0.05)
            except Exception as error:  # noqa: BLE001 - raised when the events are read
                self.failure = error
                return

    def listen(self):
        with contextlib.closing(pika.BlockingConnection(self.broker.parameters)) as connection:
            channel = connection.channel()
            channel.exchange_declare("config.changes", "topic", durable=True)
            channel.queue_declare(self.queue, durable=True, arguments=self.arguments)
            channel.queue_bind(self.queue, "config.changes", "config.#")
            self.ready.set()
            while not self.stopping.is_set():
                for method, properties, body in channel.consume(self.queue,
                                                                inactivity_timeout=0.05):
                    if method is None:
                        break
                    event = Event(method, properties, body)
                    if event.epoch == self.epoch:
                        self.events.append(event)
                    channel.basic_ack(method.delivery_tag)

    def stop(self):
        self.stopping.set()
        self.join(60)

    def wait_for(self, count):
        """The first `count` events."""
        def heard():
            assert self.failure is None, self.failure
            return len(self.events) >= count

        until(heard, f"{count} events; heard were {self.events[-3:]}")
        return self.events[:count]

    def wait_for_place(self, place):
        def heard():
            assert self.failure is None, self.failure
            return any(event.place == place for event in self.events)

        until(heard, f"the event {place}")


KEYS = {pb.CHANGE_KIND_CREATE: "created", pb.CHANGE_KIND_UPDATE: "updated",
        pb.CHANGE_KIND_ROLLBACK: "updated", pb.CHANGE_KIND_UNDELETE: "created",
        pb.CHANGE_KIND_DELETE: "deleted", pb.CHANGE_KIND_ERASE: "deleted"}


def changes_of(stub, revision, first=1):
    """The log as delivered by a watch: {place: (key, service, environment)}."""
    changes = {}
    with Watch(stub, start_revision=first) as watch:
        while True:
            response = watch.next()
            for event in response.events:
                changes[event.revision, event.index] = (
                    f"config.{KEYS[event.kind]}", event.service_name, event.environment)
            if (response.kind == api_pb.WATCH_RESPONSE_KIND_EVENTS and not response.more
                    and response.header.revision >= revision):
                return {place: change for place, change in changes.items()
                        if place[0] <= revision}


def check(events, changes):
    """Checks the received events against the log: all changes and no others, each after the one
    before it. Repeats are allowed: relay and broker may go back to earlier events."""
    order = sorted(changes)
    next_of = dict(zip(order, order[1:] + [None]))
    highest = None
    before = None
    for event in events:
        assert event.place in changes, f"invented: {event}"
        key, service, environment = changes[event.place]
        assert (event.key, event.body["service_name"], event.body["environment"]) == (
            key, service, environment), f"{event} is told of {changes[event.place]}"
        new = highest is None or event.place > highest
        follows = event.place == (order[0] if before is None else next_of[before])
        assert follows or not new, f"{event.place} after {before}: something was left out"
        highest = event.place if new else highest
        before = event.place
    assert highest == order[-1], f"heard up to {highest} of {order[-1]}"
