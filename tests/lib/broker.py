"""A private RabbitMQ broker: on free ports, with its own folders, stopped by its process id."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

import pika

from daemon import PATIENCE, free_port, until

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
USER = "confreg"
PASSWORD = "p@ss:w/ord%"


class Broker:
    program = "rabbitmq-server"

    def __init__(self, folder):
        self.folder = Path(folder)
        self.port, self.tls_port, self.distribution_port, self.epmd_port = (
            free_port() for _ in range(4))
        self.log = self.folder / "broker.log"
        self.process = None
        self.epmd = None
        for name in ("mnesia", "log", "home"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "plugins").write_text("[].\n")
        self.make_certificates()
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = 127.0.0.1:{self.port}\n"
            f"listeners.ssl.default = 127.0.0.1:{self.tls_port}\n"
            f"ssl_options.cacertfile = {self.folder}/ca.pem\n"
            f"ssl_options.certfile = {self.folder}/server.pem\n"
            f"ssl_options.keyfile = {self.folder}/server.key\n"
            "ssl_options.verify = verify_peer\n"
            "ssl_options.fail_if_no_peer_cert = true\n"
            f"default_user = {USER}\n"
            f"default_pass = {PASSWORD}\n")

    def make_certificates(self):
        """An authority, a server's and a client's certificate of it, which the broker demands, and
        the same of an unrelated authority."""
        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], cwd=self.folder, check=True,
                           capture_output=True)

        new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        for name in ("ca", "stranger"):
            openssl(*new, "-x509", "-subj", f"/CN={name}", "-days", "2", "-keyout", f"{name}.key",
                    "-out", f"{name}.pem")
        openssl(*new, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
        (self.folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.pem")
        for issuer, name in (("ca", "client"), ("stranger", "forged")):
            openssl(*new, "-subj", "/CN=confregd", "-keyout", f"{name}.key", "-out", f"{name}.csr")
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.pem", "-CAkey",
                    f"{issuer}.key", "-CAcreateserial", "-days", "2", "-out", f"{name}.pem")

    def certificate(self, name="client"):
        """Parameters of an address of amqps."""
        return f"certfile={self.folder}/{name}.pem&keyfile={self.folder}/{name}.key"

    def environment(self):
        """Shares nothing with a broker of the machine: no node name, port or folder. With
        RABBITMQ_ALLOW_INPUT the start script execs the broker, so the process id is the broker's."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": f"{self.folder}/home",
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"confreg-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": f"{self.folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{self.folder}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self.folder}/plugins",
            "RABBITMQ_CONFIG_FILE": f"{self.folder}/rabbitmq",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_PID_FILE": f"{self.folder}/pid",
            "RABBITMQ_ALLOW_INPUT": "1",
        }

    def _spawn(self, *command):
        with open(self.log, "ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                    env=self.environment(), cwd=self.folder)

    def spawn(self):
        for wanted in (SERVER, shutil.which("epmd")):
            assert wanted and Path(wanted).exists(), (
                "there is no RabbitMQ here: install the Debian package rabbitmq-server")
        if self.epmd is None:
            self.epmd = self._spawn("epmd", "-port", str(self.epmd_port))
        self.process = self._spawn(SERVER, "-noinput", "-start_epmd", "false")

    def start(self):
        self.spawn()
        self.wait_ready()
        return self

    def wait_ready(self):
        def answers():
            assert self.process.poll() is None, f"the broker ended:\n{self.tail()}"
            try:
                pika.BlockingConnection(self.parameters).close()
                return True
            except (pika.exceptions.AMQPError, OSError):
                return False

        until(answers, "the broker answers", 3 * PATIENCE)

    @property
    def parameters(self):
        return pika.ConnectionParameters("127.0.0.1", self.port, heartbeat=0,
                                         credentials=pika.PlainCredentials(USER, PASSWORD))

    def address(self, port=None, scheme="amqp", hosts=None, suffix=""):
        """The address for --bus; `suffix` is appended after the host."""
        where = hosts or f"127.0.0.1:{port or self.port}"
        return f"{scheme}://{USER}:{quote(PASSWORD, safe='')}@{where}{suffix}"

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def control(self, *command):
        subprocess.run(["/usr/lib/rabbitmq/bin/rabbitmqctl", *command], env=self.environment(),
                       cwd=self.folder, check=True, capture_output=True, timeout=PATIENCE)

    # alarm: the command that sets its limit, a limit that raises it, a limit that clears it.
    ALARMS = {"disk": ("set_disk_free_limit", "1000000GB", "1MB"),
              "memory": ("set_vm_memory_high_watermark", "0.000001", "0.4")}

    def raise_alarm(self, alarm):
        """Raises a resource alarm: the broker stops reading from connections that publish."""
        limit, reached, _ = self.ALARMS[alarm]
        self.control(limit, reached)

    def clear_alarm(self, alarm):
        limit, _, well = self.ALARMS[alarm]
        self.control(limit, well)

    def end(self):
        """Kills the broker: its data is not needed any more."""
        for process in (self.process, self.epmd):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait(PATIENCE)

    def tail(self, lines=40):
        logs = [self.log, *sorted((self.folder / "log").glob("*.log"))]
        text = "".join(log.read_text(errors="replace") for log in logs if log.exists())
        return "\n".join(text.splitlines()[-lines:])

