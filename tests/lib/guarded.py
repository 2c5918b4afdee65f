"""Servers with an access file, for tests."""

import signal

from access import AccessFile, as_caller, with_headers
from calls import Registry
from daemon import Confregd, until
from stubs import api_grpc


class Guarded(Confregd):
    """confregd with an access file. registry(token) is what its owner can call."""

    def __init__(self, folder, store="memory:", access=None, extra=()):
        super().__init__(folder, store=store, extra=extra)
        self.access = access or AccessFile(self.folder)

    def arguments(self):
        return [*super().arguments(), *self.access.arguments()]

    def registry(self, token=None):
        channel = self.channel if token is None else as_caller(self.channel, token)
        return Registry(api_grpc.RegistryServiceStub(channel))

    def registry_with(self, *headers):
        return Registry(api_grpc.RegistryServiceStub(with_headers(self.channel, *headers)))

    def access_reloaded(self):
        """Waits until the file as it is now is in force: for two readings, as the first may have
        begun before it was written."""
        def readings():
            return self.log.read_text().count("event=access_reloaded")

        for _ in range(2):
            before = readings()
            self.process.send_signal(signal.SIGHUP)
            until(lambda n=before: readings() > n, "the access file was read again")
