"""One watch for all providers and watchers of a process that follow configs of the same server with the
same credentials: up to 128 names on a stream, as many as a server takes.

A name that joins opens the stream anew, with a snapshot of all names; who has followed before hears only
what differs. Each follower hears on a thread of its own, so a callback that is slow delays no other."""

from __future__ import annotations

import dataclasses
import os
import threading
from typing import Callable, Union

from . import errors
from ._connection import Credentials
from ._follow import Selector, Update
from ._reading import Name, Reading
from ._watch import Watch
from .client import Client
from .models import Change, Config

MOST_NAMES = 128  # selectors of a watch

_News = Union[Reading, errors.ConfregError, None]  # None: connected


@dataclasses.dataclass(frozen=True)
class Server:
    """What followers must have in common to share a stream."""

    address: str
    credentials: Credentials
    resolve: bool
    decimals: bool


class Follower:
    """One that follows a config. Any thread may call close."""

    def __init__(self, server: Server, name: Name) -> None:
        self.name = name
        self._server = server
        self._moved = threading.Condition()
        self._last: Reading | None = None
        self._news: list[_News] = []  # not heard yet: the newest reading, the newest of the others
        self._closed = False

    def run(self, on_reading: Callable[[Reading], None],
            on_failure: Callable[[errors.ConfregError], None],
            on_connected: Callable[[], None]) -> None:
        """Calls back, until close."""
        watch = None if self._closed else _join(self._server, self)
        try:
            while True:
                with self._moved:
                    self._moved.wait_for(lambda: self._closed or self._news)
                    if self._closed:
                        return
                    news = self._news.pop(0)
                if isinstance(news, Reading):
                    on_reading(news)
                elif news is None:
                    on_connected()
                else:
                    on_failure(news)
        finally:
            if watch is not None:
                _leave(self._server, watch, self)

    def close(self) -> None:
        with self._moved:
            self._closed = True
            self._moved.notify()

    def tell(self, news: _News) -> None:
        """A reading that is as the one before is not told."""
        is_reading = isinstance(news, Reading)
        with self._moved:
            if isinstance(news, Reading):
                last, self._last = self._last, news
                if last is not None and (last.version, last.data) == (news.version, news.data):
                    return
            self._news = [*(old for old in self._news if isinstance(old, Reading) != is_reading), news]
            self._moved.notify()


class SharedWatch:
    """A stream and its followers."""

    def __init__(self, server: Server) -> None:
        self._client = Client(server.address, server.credentials, decimals=server.decimals,
                              repeat=False)
        self._resolve = server.resolve
        self._lock = threading.Lock()
        self._followers: tuple[Follower, ...] = ()  # replaced as a whole: read without the lock
        self._watch: Watch | None = None
        self._refused: dict[Name, errors.ConfregError] = {}  # what the stream leaves out, and why

    def has_room(self, name: Name) -> bool:
        return len({follower.name for follower in self._followers} | {name}) <= MOST_NAMES

    def join(self, follower: Follower) -> None:
        with self._lock:
            is_first = not self._followers
            self._followers += (follower,)
            if self._watch is not None:
                self._watch.close()  # the thread opens the next one, with this name
        if is_first:
            threading.Thread(target=self._run, daemon=True, name="confreg watch").start()

    def leave(self, follower: Follower) -> bool:
        """Whether it was the last one, with which the thread ends; nobody may join then."""
        with self._lock:
            self._followers = tuple(other for other in self._followers if other is not follower)
            if not self._followers and self._watch is not None:
                self._watch.close()
            return not self._followers

    def _run(self) -> None:
        with self._client:
            while True:
                with self._lock:
                    if not self._followers:
                        return
                    names = {follower.name for follower in self._followers}
                    watch = self._watch = self._client.watch(
                        *(Selector(name.environment, name.service_name) for name in names),
                        latest_only=True, resolve=self._resolve, on_failure=self._failed,
                        on_connected=self._connected)
                for update in watch:
                    self._take(update)

    def _failed(self, error: errors.ConfregError) -> None:
        if error.reason != "RIGHTS_CHANGED":  # a snapshot comes at once
            for follower in self._followers:
                follower.tell(error)

    def _connected(self) -> None:
        for follower in self._followers:
            follower.tell(self._refused.get(follower.name))

    def _take(self, update: Update) -> None:
        changes = {Name(change.service_name, change.environment, self._resolve): change
                   for change in update.changes if change.touches_head}
        names = {follower.name for follower in self._followers} if update.first else set(changes)
        for name in names:
            self._tell(name, self._news_of(changes.get(name), update, name))

    def _tell(self, name: Name, news: _News) -> None:
        was_refused = self._refused.pop(name, None) is not None
        if isinstance(news, errors.ConfregError):
            self._refused[name] = news
        for follower in self._followers:
            if follower.name == name:
                if was_refused and isinstance(news, Reading):
                    follower.tell(None)  # also where the reading is the one before
                follower.tell(news)

    def _news_of(self, change: Change | None, update: Update, name: Name) -> _News:
        config = change.config if change is not None else None
        if config is None and update.filtered:
            return self._ask(name)
        # A resolved config changes with its base, too: the revision tells these apart.
        revision = change.revision if change is not None and not update.first else 0
        return _reading_of(config, update.position.epoch,
                           f".{revision}" if self._resolve else "")

    def _ask(self, name: Name) -> _News:
        """Why the stream does not have the config: there is none, or it may not be read."""
        try:
            return _reading_of(self._client.get(name.service_name, name.environment,
                                                resolve=self._resolve), "", "")
        except errors.NotFoundError:
            return Reading(None)
        except errors.ConfregError as error:
            return error


def _reading_of(config: Config | None, epoch: str, more: str) -> Reading:
    if config is None or config.deleted:
        return Reading(None)
    return Reading(config.data, config.version, f"{epoch}-{config.mod_revision}{more}")


# ---- All of the process ----

_lock = threading.Lock()
_watches: dict[Server, list[SharedWatch]] = {}


def _forked() -> None:
    """In a child process the threads are not there: who follows there joins a new watch."""
    global _lock
    _lock = threading.Lock()
    _watches.clear()


os.register_at_fork(after_in_child=_forked)


def _join(server: Server, follower: Follower) -> SharedWatch:
    with _lock:
        watches = _watches.setdefault(server, [])
        for watch in watches:
            if watch.has_room(follower.name):
                break
        else:
            watch = SharedWatch(server)
            watches.append(watch)
        watch.join(follower)
        return watch


def _leave(server: Server, watch: SharedWatch, follower: Follower) -> None:
    with _lock:
        if watch.leave(follower) and watch in _watches.get(server, []):
            _watches[server].remove(watch)
