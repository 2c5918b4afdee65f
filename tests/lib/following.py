"""A program that uses libconfreg: providers, watchers and copies of one client (tests/library/library_follow.c)."""

import json
import os
import queue
import subprocess
import threading

from daemon import BUILD, PATIENCE, until

LOADING, READY, STALE = 0, 1, 2


class Follower:
    """follower.ask("provider", "p", "prod", "billing", …) sends a command and returns its answer."""

    def __init__(self, *addresses, environment=()):
        self.process = subprocess.Popen(
            [BUILD / "tests" / "library_follow", *addresses], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env={**os.environ, **{name: str(text) for name, text in dict(environment).items()}})
        self.replies = queue.SimpleQueue()
        self.events = []
        self.arrived = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            told = json.loads(line)
            if "reply" in told:
                self.replies.put(told)
                continue
            with self.arrived:
                self.events.append(told)
                self.arrived.notify_all()

    def send(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()

    def reply(self):
        return self.replies.get(timeout=PATIENCE)

    def ask(self, *words):
        self.send(*words)
        return self.reply()

    def do(self, *words):
        answer = self.ask(*words)
        assert answer["reply"] is not False, answer

    def provider(self, name, service, environment="prod", stale_after_ms=0, resolve=0, prefix="-", file="-",
                 ready=True, references=0, references_ttl_ms=0):
        self.do("provider", name, environment, service, stale_after_ms, resolve, prefix, file, references,
                references_ttl_ms)
        if ready:
            self.do("ready", name, PATIENCE * 1000)
            self.wait_told(name, 1, "state")

    def watcher(self, name, service="-", environment="prod", prefix="-", how="every", limit=0,
                by="watcher"):
        self.do(by, name, environment, service, prefix, how, limit)
        self.do("ready", name, PATIENCE * 1000)

    def get(self, name, path, kind="int64", fallback=-1):
        return self.ask("get", name, kind, path, fallback)["reply"]

    def state(self, name):
        return self.ask("state", name)["reply"]

    def told(self, name, event="change"):
        with self.arrived:
            return [e for e in self.events if e["event"] == event and e.get("name") == name]

    def wait_told(self, name, n, event="change"):
        with self.arrived:
            assert self.arrived.wait_for(
                lambda: sum(e["event"] == event and e.get("name") == name
                            for e in self.events) >= n, PATIENCE), (name, n, self.events[-3:])
        return self.told(name, event)

    def wait_value(self, name, path, value):
        until(lambda: self.get(name, path) == value, f"{path} of {name} is {value}")

    def wait_state(self, name, state):
        until(lambda: self.state(name) == state, f"{name} is in state {state}")

    def end(self):
        """Ends it in an orderly way: it must free everything in time."""
        self.process.stdin.close()
        code = self.process.wait(PATIENCE)
        assert code == 0, f"library_follow ended with {code}"

    def kill(self):
        self.process.kill()
        self.process.wait()
