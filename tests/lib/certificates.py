"""Certificates that are made when a test runs, by openssl's `ca`."""

import ssl
import subprocess
from pathlib import Path

from planted import plant_key

CONFIG = """
[ca]
default_ca = our
[our]
dir = {folder}
database = {folder}/index.txt
new_certs_dir = {folder}
serial = {folder}/serial
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
default_crl_days = 30
unique_subject = no
copy_extensions = none
policy = any
[any]
commonName = optional
[req]
distinguished_name = name
[name]
"""


def openssl(*arguments):
    made = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert made.returncode == 0, made.stderr


class Pair:
    """A certificate and its key."""

    def __init__(self, cert, key):
        self.cert, self.key = cert, key

    def copy_to(self, other):
        """Each file is replaced at once, one after the other."""
        for source, target in ((self.cert, other.cert), (self.key, other.key)):
            new = Path(f"{target}.new")
            new.write_bytes(Path(source).read_bytes())
            new.chmod(0o600)
            new.rename(target)


class Authority:
    """Issues certificates and a revocation list, in a folder of its own."""

    def __init__(self, folder, name="authority"):
        self.folder, self.n = Path(folder), 0
        self.folder.mkdir(parents=True)
        self.ca, self.crl = self.folder / "ca.pem", self.folder / "crl.pem"
        self.config = self.folder / "openssl.cnf"
        self.config.write_text(CONFIG.format(folder=self.folder))
        (self.folder / "index.txt").write_text("")
        (self.folder / "serial").write_text("1000\n")
        openssl("req", "-x509", *self._key(self.folder / "ca.key"), "-days", 30, "-subj",
                f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", self.ca)
        self.list()

    @staticmethod
    def _key(path):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path]

    def _ca(self, *arguments):
        openssl("ca", "-batch", "-config", self.config, *arguments)

    def issue(self, name, names="", usage="serverAuth", end=None):
        """names: as subjectAltName has them. end: "YYYYMMDDHHMMSSZ", by default in 30 days."""
        self.n += 1
        base = self.folder / f"{self.n}"
        pair = Pair(base.with_suffix(".pem"), base.with_suffix(".key"))
        request, extensions = base.with_suffix(".csr"), base.with_suffix(".ext")
        extensions.write_text(f"extendedKeyUsage={usage}\n" +
                              (f"subjectAltName={names}\n" if names else ""))
        openssl("req", *self._key(pair.key), "-config", self.config, "-subj",
                f"/CN={name}" if name else "/", "-out", request)
        plant_key(pair.key.read_text())
        time = ["-startdate", "20200101000000Z", "-enddate", end] if end else ["-days", "30"]
        self._ca("-in", request, "-extfile", extensions, *time, "-notext", "-out", pair.cert)
        return pair

    def server(self, end=None):
        return self.issue("confregd", "DNS:localhost,IP:127.0.0.1", end=end)

    def client(self, name="client", names="", end=None):
        return self.issue(name, names, usage="clientAuth", end=end)

    def context(self, pair=None):
        """Of a client that trusts this authority and shows a certificate."""
        context = ssl.create_default_context(cafile=self.ca)
        context.set_alpn_protocols(["http/1.1"])
        if pair:
            context.load_cert_chain(pair.cert, pair.key)
        return context

    def revoke(self, pair):
        self._ca("-revoke", pair.cert)
        self.list()

    def list(self):
        """Writes the revocation list, at once."""
        new = self.folder / "crl.new"
        self._ca("-gencrl", "-out", new)
        new.rename(self.crl)
