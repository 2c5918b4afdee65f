"""A headless Chromium, driven over the W3C's WebDriver protocol by chromedriver."""

import contextlib
import http.client
import http.server
import json
import os
import subprocess
import threading

from daemon import PATIENCE, free_port, until

ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--no-proxy-server"]


class Browser:
    """trusting: takes every certificate of a server."""

    def __init__(self, folder, trusting=False):
        self.folder, self.port, self.session = folder, free_port(), None
        self.trusting = trusting

    def __enter__(self):
        variables = {"PATH": os.environ["PATH"], "HOME": str(self.folder),
                     "TMPDIR": str(self.folder)}
        with open(self.folder / "chromedriver.log", "wb") as log:
            self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}"], stdout=log,
                                           stderr=log, env=variables, start_new_session=True)
        try:
            until(self.is_ready, "chromedriver is ready")
            options = {"args": ARGUMENTS + [f"--user-data-dir={self.folder}/profile"]}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options,
                      "acceptInsecureCerts": self.trusting}
            self.session = self.call("POST", "/session", {
                "capabilities": {"alwaysMatch": wanted}})["sessionId"]
            self.call("POST", f"/session/{self.session}/timeouts", {"script": PATIENCE * 1000})
        except BaseException:
            self.driver.kill()
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(AssertionError):
            self.call("DELETE", f"/session/{self.session}")
        self.driver.terminate()
        self.driver.wait(PATIENCE)

    def is_ready(self):
        with contextlib.suppress(OSError):
            return self.call("GET", "/status")["ready"]
        return False

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2 * PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body=None if body is None else json.dumps(body))
            response = connection.getresponse()
            answer = json.loads(response.read())["value"]
        assert response.status == 200, answer
        return answer

    def open(self, url):
        self.call("POST", f"/session/{self.session}/url", {"url": url})

    def run(self, script, *arguments):
        """Runs the body of an async function in the page; returns what it returns. An exception is
        {"error": its text}."""
        wrapped = ("const done = arguments[arguments.length - 1];"
                   f"(async (...args) => {{ {script} }})(...[...arguments].slice(0, -1))"
                   ".then(done, e => done({error: String(e)}));")
        return self.call("POST", f"/session/{self.session}/execute/async",
                         {"script": wrapped, "args": list(arguments)})


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>page</title>")

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def page():
    """Serves an empty page; yields its port. 127.0.0.1 and localhost are two origins of it."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join(PATIENCE)
    server.server_close()
