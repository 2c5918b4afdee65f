"""create_subscriber: hears the events that the registry publishes on RabbitMQ."""

from __future__ import annotations

import json
import logging
import os
import threading
from types import TracebackType
from typing import Any, Callable

from ._connection import Backoff

EXCHANGE = "config.changes"

_log = logging.getLogger("confreg")

Callback = Callable[[dict[str, Any]], None]


def create_subscriber(bus_type: str = "rabbitmq", host: str = "localhost", port: int = 5672,
                      username: str | None = None, password: str | None = None, *,
                      virtual_host: str = "/", queue: str | None = None,
                      ssl_options: Any = None) -> Subscriber:
    """A subscriber of the topic exchange "config.changes".

    username, password  else $MESSAGE_BUS_USER and $MESSAGE_BUS_PASSWORD, else guest
    queue               the name of a durable queue that keeps the events while the program is away;
                        None: a queue that ends with the connection
    ssl_options         pika.SSLOptions

    ValueError: bus_type is not "rabbitmq". ImportError: pika is missing (pip install
    confreg[rabbitmq]).
    """
    if bus_type != "rabbitmq":
        raise ValueError(f"bus_type is \"rabbitmq\", not {bus_type!r}")
    import pika

    user = username or os.environ.get("MESSAGE_BUS_USER", "guest")
    secret = password or os.environ.get("MESSAGE_BUS_PASSWORD", "guest")
    return Subscriber(pika.ConnectionParameters(
        host=host, port=port, virtual_host=virtual_host, heartbeat=30,
        blocked_connection_timeout=30, ssl_options=ssl_options,
        credentials=pika.PlainCredentials(user, secret)), queue)


class Subscriber:
    """Delivers events on a daemon thread of its own, and connects again when it has to. An event is
    acknowledged after its callbacks have returned or raised, so one can come twice."""

    def __init__(self, parameters: Any, queue: str | None) -> None:
        self._parameters = parameters
        self._queue = queue
        self._callbacks: list[tuple[str, Callback]] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._channel: Any = None
        self._connection: Any = None
        self._listening = threading.Event()

    def subscribe(self, events: str, callback: Callback) -> None:
        """Calls back with each event as a dict. events: "config.changes", which is all of them, or a
        routing key, "config.created", "config.updated" or "config.deleted", in which * stands for a
        word. Starts the subscriber."""
        key = "config.*" if events == EXCHANGE else events
        with self._lock:
            self._callbacks.append((key, callback))
            connection = self._connection
        if connection is not None:
            try:
                connection.add_callback_threadsafe(lambda: self._bind(key))
            except Exception:  # it has just closed: the next one binds all
                _log.debug("the connection closed while it was to be bound")
        self.start()

    def start(self) -> None:
        """Starts the thread; done by subscribe as well."""
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, daemon=True,
                                                name="confreg subscriber")
                self._thread.start()

    def wait_listening(self, timeout: float | None = None) -> bool:
        """Waits until it is connected and bound: events from then on are heard."""
        return self._listening.wait(timeout)

    def stop(self) -> None:
        """Ends it, on any thread, a callback's included; on others it returns after the last
        callback."""
        self._stop.set()
        with self._lock:
            connection, thread = self._connection, self._thread
        if connection is not None:
            try:
                connection.add_callback_threadsafe(self._end)
            except Exception:
                _log.debug("the connection was closed already")
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def __enter__(self) -> Subscriber:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.stop()

    # ---- The thread ----

    def _run(self) -> None:
        import pika

        backoff = Backoff()
        while not self._stop.is_set():
            try:
                self._listen()
                backoff.reset()
            except (pika.exceptions.AMQPError, OSError) as error:
                if not self._stop.is_set():
                    _log.warning("the message bus cannot be heard now: %s",
                                 error or type(error).__name__)
            if self._listening.is_set():
                backoff.reset()
                self._listening.clear()
            self._stop.wait(backoff.next())

    def _listen(self) -> None:
        import pika

        connection = pika.BlockingConnection(self._parameters)
        try:
            self._channel = connection.channel()
            self._channel.exchange_declare(EXCHANGE, "topic", durable=True)
            declared = self._channel.queue_declare(
                self._queue or "", durable=self._queue is not None,
                exclusive=self._queue is None)
            self._bound_queue = declared.method.queue
            self._channel.basic_qos(prefetch_count=100)
            with self._lock:
                self._connection = connection
                keys = [key for key, _ in self._callbacks]
            for key in keys:
                self._bind(key)
            self._channel.basic_consume(self._bound_queue, self._deliver)
            self._listening.set()
            if not self._stop.is_set():
                self._channel.start_consuming()
        finally:
            with self._lock:
                self._connection = None
            if connection.is_open:
                connection.close()

    def _bind(self, key: str) -> None:
        self._channel.queue_bind(self._bound_queue, EXCHANGE, key)

    def _end(self) -> None:
        self._channel.stop_consuming()

    def _deliver(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        with self._lock:
            callbacks = [callback for key, callback in self._callbacks
                         if _fits(key, method.routing_key)]
        try:
            event = json.loads(body)
        except ValueError:
            _log.warning("an event is no JSON and is dropped")
            callbacks = []
        for callback in callbacks:
            try:
                callback(event)
            except Exception:
                _log.exception("the callback for %s has failed", method.routing_key)
        channel.basic_ack(method.delivery_tag)


def _fits(key: str, routing_key: str) -> bool:
    """Whether a binding key ("config.*", "#") selects a routing key."""
    wanted, words = key.split("."), routing_key.split(".")
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        words = words[:len(wanted)]
    return len(wanted) == len(words) and all(w in ("*", word)
                                             for w, word in zip(wanted, words))
