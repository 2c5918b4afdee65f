"""kill -9 under concurrent writers, round after round on one data folder."""

import threading

import grpc
import history
import pytest
from calls import Registry, create_change, update_change
from daemon import Confregd, connect
from errors import refused
from seed import chance
from stubs import api_grpc

ROUNDS = 15
WRITERS = 6
CONFIGS = 12


class Writer(threading.Thread):
    """Writes until the server is gone, and remembers what was acknowledged.

    After a failure it does not know what became of the last write; it repeats it under the same
    request_id at the next server and must then get exactly one version for it."""

    def __init__(self, number):
        super().__init__(daemon=True)
        self.number = number
        self.written = 0
        self.acknowledged = []  # (revision, [(service, version), …])
        self.in_doubt = None
        self.random = chance("writer", number)
        self.failure = None

    def one_write(self, registry, request_id, choice):
        if choice < CONFIGS:
            services = [f"config-{choice}"]
            answer = registry.update(services[0], f'{{"by":"{request_id}"}}', allow_missing=True,
                                     request_id=request_id)
            return answer.config.revision, [(services[0], answer.config.version)]
        services = [f"config-{choice % CONFIGS}", f"config-{(choice + 1) % CONFIGS}"]
        answer = registry.commit(
            [update_change(s, f'{{"by":"{request_id}"}}', allow_missing=True) for s in services],
            request_id=request_id)
        return answer.commit.revision, [(e.service_name, e.version)
                                        for e in answer.commit.changes]

    def follow(self, listen):
        """Begins a round against a new server."""
        self.listen = listen
        threading.Thread.__init__(self, daemon=True)
        self.start()

    def run(self):
        channel = connect(self.listen)
        registry = Registry(api_grpc.RegistryServiceStub(channel))
        try:
            while True:
                if self.in_doubt is None:
                    self.written += 1
                    self.in_doubt = (f"writer-{self.number}-{self.written}",
                                     self.random.randrange(2 * CONFIGS))
                self.acknowledged.append(self.one_write(registry, *self.in_doubt))
                self.in_doubt = None
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                self.failure = error
        finally:
            channel.close()


@pytest.mark.concurrent
def test_nothing_acknowledged_is_lost(launch):
    server = launch(Confregd).start()
    recorder = history.Recorder(server)
    recorder.start()
    writers = [Writer(i) for i in range(WRITERS)]
    moments = chance("kills")
    for _ in range(ROUNDS):
        start = Registry(server.stub).revision()
        for writer in writers:
            writer.follow(server.listen)
        # The kill comes at an unforeseen moment of a busy server, not after a time.
        recorder.wait_for(start + moments.randrange(50, 400))
        server.kill()
        for writer in writers:
            writer.join(60)
            assert writer.failure is None, writer.failure
        server.start()

    registry = Registry(server.stub)
    for writer in writers:
        if writer.in_doubt is not None:
            writer.acknowledged.append(writer.one_write(registry, *writer.in_doubt))
    history.check(server, recorder)
    check_acknowledged(writers, recorder.events)
    recorder.stop()


def check_acknowledged(writers, events):
    versions = {(e.revision, e.service_name, e.version) for e in events}
    acknowledged = [(revision, service, version) for writer in writers
                    for revision, changes in writer.acknowledged for service, version in changes]
    assert len(acknowledged) > ROUNDS * 50
    lost = set(acknowledged) - versions
    assert not lost, f"acknowledged and lost: {sorted(lost)[:5]}"
    assert len(acknowledged) == len(set(acknowledged)), "one version was given twice"
    # Every write had a request_id and was repeated until it was answered: all are in, once.
    assert len(acknowledged) == len(versions), "a write was carried out twice"


@pytest.mark.sqlite
def test_a_torn_write_ahead_log_is_survived(launch):
    """The end of the write-ahead log is lost, as after a power cut: a prefix of the log is left."""
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    for i in range(50):
        registry.commit([create_change(f"{i}-{j}") for j in range(3)])
    server.kill()
    wal = server.database.with_name("confreg.db-wal")
    size = wal.stat().st_size
    with open(wal, "r+b") as file:
        file.truncate(size * 2 // 3 + 17)
    server.start()
    recorder = history.Recorder(server)
    recorder.start()
    history.check(server, recorder)
    recorder.stop()
    registry = Registry(server.stub)
    revision = registry.revision()
    assert 0 < revision < 50
    assert registry.status().config_count == 3 * revision
    assert registry.create("next").header.revision == revision + 1


@pytest.mark.sqlite
def test_damaged_data_is_reported_and_not_served(launch):
    server = launch(Confregd).start()
    registry = Registry(server.stub)
    registry.create("billing", '{"marker":"payload-to-damage-1"}')
    registry.update("billing", '{"a":1}')
    server.stop()
    raw = server.database.read_bytes()
    assert raw.count(b"payload-to-damage-1") == 1
    server.database.write_bytes(raw.replace(b"payload-to-damage-1", b"payload-to-damage-2"))
    server.start()
    registry = Registry(server.stub)
    assert registry.data("billing") == b'{"a":1}'
    with refused("DATA_LOSS", "PAYLOAD_DAMAGED"):
        registry.get("billing", version=1)
