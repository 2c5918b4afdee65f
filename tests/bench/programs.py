"""The programs that are measured: on free ports of loopback, with their data in the bench's folder."""

import json
import os
import random
import socket
import ssl
import subprocess
import sys
import time
import urllib.request

from harness import ROOT
from loads import payload

sys.path.insert(0, str(ROOT / "tests" / "lib"))
import mongodb  # noqa: E402

PATIENCE = 120


def free_port():
    """A port that nobody has, below those that the kernel gives to outgoing connections."""
    while True:
        port = random.randint(12000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def is_served(url):
    """Over https without a look at the certificate."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    return urllib.request.urlopen(url, timeout=5, context=anybody).status == 200


def free_address():
    return f"127.0.0.1:{free_port()}"


def fetch(url, body=None, method="GET"):
    request = urllib.request.Request(url, method=method, data=body,
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def metric(address, name):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as page:
        for line in page.read().decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
    return None


class Program:
    """A process, started by start() and ready when that returns."""

    process = None
    scheme = "http"

    def __init__(self, bench):
        self.bench = bench
        self.folder = bench.new_folder()
        self.log = self.folder / "log"

    def command(self):
        raise NotImplementedError

    def is_ready(self):
        raise NotImplementedError

    def environment(self):
        """None: the caller's."""
        return None

    def start(self):
        """Gives the seconds that it took."""
        begun = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(part) for part in self.command()], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL,
                                            env=self.environment())
        self.bench.running.append(self)
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() - begun > PATIENCE:
                sys.exit(f"{self.process.args[0]} does not start:\n{self.log.read_text()}")
            time.sleep(0.02)
        return time.monotonic() - begun

    def _answers(self):
        try:
            return self.is_ready()
        except OSError:
            return False

    def stop(self):
        self.bench.running.remove(self)
        self.process.terminate()
        self.process.wait(PATIENCE)

    def _proc(self, name):
        with open(f"/proc/{self.process.pid}/{name}") as file:
            return file.read()

    @property
    def cpu_seconds(self):
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def resident_bytes(self):
        return int(self._proc("statm").split()[1]) * os.sysconf("SC_PAGESIZE")


# The loads of one address are larger than what one caller may do.
NO_LIMITS = [part for name in ("caller-calls", "caller-bytes", "caller-watches", "caller-writes",
                               "peer-connections") for part in (f"--{name}", "0")]


class Confregd(Program):
    def __init__(self, bench, *options):
        super().__init__(bench)
        self.address, self.metrics = free_address(), free_address()
        self.options = options

    def command(self):
        return [self.bench.build / "confregd", "--listen", self.address, "--metrics", self.metrics,
                "--store", f"sqlite:{self.folder}/confreg.db", *NO_LIMITS, *self.options]

    def is_ready(self):
        """The metrics are shown once it serves."""
        return self.metric("confreg_revision") is not None

    def metric(self, name):
        return metric(self.metrics, name)

    def fill(self, configs, size=500, versions=1):
        """Writes versions of service-0, service-1 … in environment prod."""
        fill = [self.bench.build / "bench" / "bench_fill", self.address, configs, size, versions]
        subprocess.run([str(part) for part in fill], check=True, stdout=subprocess.DEVNULL)


def make_certificate(bench):
    """(certificate, key), which sign themselves."""
    folder = bench.new_folder()
    pair = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-out", pair[0],
                    "-keyout", pair[1]], check=True, stderr=subprocess.DEVNULL)
    return pair


class TlsConfregd(Confregd):
    """Its unix socket, which has no TLS, is for fill()."""
    scheme = "https"

    def __init__(self, bench, cert, key):
        super().__init__(bench, "--tls-cert", cert, "--tls-key", key)
        self.socket = f"unix:{self.folder}/socket"

    def command(self):
        program, listen, address, *others = super().command()
        return [program, listen, f"{address},{self.socket}", *others]

    def fill(self, *arguments):
        address, self.address = self.address, self.socket
        super().fill(*arguments)
        self.address = address


class CoreEmpty(Program):
    """The gRPC core with its own listener, its own TLS and an empty method."""
    scheme = "https"

    def __init__(self, bench, cert, key):
        super().__init__(bench)
        self.address, self.files = free_address(), [cert, key]

    def command(self):
        return [self.bench.build / "bench" / "bench_core_empty", self.address, *self.files]

    def is_ready(self):
        host, port = self.address.split(":")
        socket.create_connection((host, int(port))).close()
        return True


class Gateway(Program):
    """tls: whether it serves HTTPS."""

    def __init__(self, bench, server, tls=False):
        super().__init__(bench)
        self.http, self.server = free_address(), server
        self.pair = make_certificate(bench) if tls else None
        self.scheme = "https" if tls else "http"

    def command(self):
        tls = ["--tls-cert", self.pair[0], "--tls-key", self.pair[1]] if self.pair else []
        return [self.bench.build / "confreg-gateway", "--listen", self.http,
                "--server", self.server.address, "--peer-requests", "0", "--peer-streams", "0",
                "--peer-connections", "0", *tls]

    def is_ready(self):
        return is_served(f"{self.scheme}://{self.http}/readyz")

    @property
    def cpu_seconds(self):
        """With the server's behind it, as etcd's gateway is a part of etcd."""
        return super().cpu_seconds + self.server.cpu_seconds

    def metric(self, name):
        return metric(self.http, name)


# The newest one is built from its module (tests/lib/etcd); Debian's is a package.
ETCDS = {"newest": ("etcd's newest", mongodb.TOOLS / "bin" / "etcd-newest"),
         "debian": ("Debian's etcd", "/usr/bin/etcd")}


class Etcd(Program):
    """The one that bench.etcd names."""

    def __init__(self, bench):
        super().__init__(bench)
        self.executable = dict(ETCDS.values()).get(bench.etcd, bench.etcd)
        self.port = free_port()
        self.address = self.http = f"127.0.0.1:{self.port}"
        self.peer = free_address()

    def command(self):
        return [self.executable, "--data-dir", self.folder / "data",
                "--listen-client-urls", f"http://{self.address}",
                "--advertise-client-urls", f"http://{self.address}",
                "--listen-peer-urls", f"http://{self.peer}",
                "--initial-advertise-peer-urls", f"http://{self.peer}",
                "--initial-cluster", f"default=http://{self.peer}", "--log-level", "error"]

    def is_ready(self):
        return fetch(f"http://{self.address}/health")["health"] == "true"

    def revision(self):
        status = fetch(f"http://{self.address}/v3/maintenance/status", b"{}", "POST")
        return int(status["header"]["revision"])


class MongoDb(Program):
    """A server of MongoDB's protocol, of one of the kinds that the tests use."""

    def __init__(self, bench, kind):
        super().__init__(bench)
        self.kind, self.port = kind, free_port()
        self.uri = f"mongodb://127.0.0.1:{self.port}"

    def command(self):
        command = [*mongodb.KINDS[self.kind](self.port, self.folder), *mongodb.DURABLE[self.kind]]
        mongodb.need(command[0])
        return command

    def is_ready(self):
        return mongodb.listens(self.port)


class PortMapper(Program):
    """What an Erlang node asks for the ports of others: one of our own."""

    def __init__(self, bench):
        super().__init__(bench)
        self.port = free_port()

    def command(self):
        return ["epmd", "-port", self.port]

    def environment(self):
        return {"PATH": os.environ["PATH"], "ERL_EPMD_ADDRESS": "127.0.0.1"}

    def is_ready(self):
        socket.create_connection(("127.0.0.1", self.port)).close()
        return True


class RabbitMq(Program):
    """A broker with folders and a node name of its own."""

    def __init__(self, bench):
        super().__init__(bench)
        self.mapper = bench.start(PortMapper(bench))
        self.port, self.distribution_port = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(f"listeners.tcp.default = {self.address}\n")

    def command(self):
        return ["/usr/lib/rabbitmq/bin/rabbitmq-server", "-noinput", "-start_epmd", "false"]

    def environment(self):
        """With input allowed the script becomes the broker, whose process id is then ours."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"bench-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "ERL_EPMD_PORT": str(self.mapper.port),
            "RABBITMQ_MNESIA_BASE": f"{self.folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{self.folder}/logs",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self.folder}/plugins",
            "RABBITMQ_CONFIG_FILE": f"{self.folder}/rabbitmq",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_PID_FILE": f"{self.folder}/pid",
            "RABBITMQ_ALLOW_INPUT": "1",
        }

    def is_ready(self):
        """The broker speaks first where it does not like the greeting."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(b"HELLO!!!")
            return connection.recv(8) == b"AMQP\0\0\x09\x01"


class Nginx(Program):
    """One process, as the gateway has one thread, that serves one file at every path."""

    CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
    access_log off; default_type application/json; sendfile on; tcp_nopush on;
    open_file_cache max=10; keepalive_requests 100000000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen {address}; root {folder}/root; location / {{ try_files /file =404; }} }}
}}
"""
    TLS = """ssl; ssl_certificate {pair[0]}; ssl_certificate_key {pair[1]};
        ssl_session_tickets off; ssl_protocols TLSv1.2 TLSv1.3"""

    def __init__(self, bench, size=500, tls=False):
        super().__init__(bench)
        self.http, self.scheme = free_address(), "https" if tls else "http"
        listen = f"{self.http} {self.TLS.format(pair=make_certificate(bench))}" if tls else self.http
        (self.folder / "root").mkdir()
        (self.folder / "root" / "file").write_text(payload(size))
        (self.folder / "nginx.conf").write_text(
            self.CONFIG.format(folder=self.folder, address=listen))

    def command(self):
        return ["/usr/sbin/nginx", "-c", self.folder / "nginx.conf", "-p", self.folder]

    def is_ready(self):
        return is_served(f"{self.scheme}://{self.http}/")
