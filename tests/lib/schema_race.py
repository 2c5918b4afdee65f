"""Races changes of a schema against writes that break it, and looks for what got in."""

import json
import threading

import grpc

GOOD, BAD = '{"port":1}', '{"host":"a"}'
STRICT = {"required": ["port"]}


class Writer(threading.Thread):
    """Writes values to one environment, one in four of which breaks the schema, until it is told
    to stop."""

    def __init__(self, registry, service, environment, chance):
        super().__init__(daemon=True)
        self.registry, self.service, self.environment, self.chance = (registry, service, environment,
                                                                      chance)
        self.ended = threading.Event()
        self.refused = threading.Event()
        self.fault = None

    def run(self):
        while not self.ended.is_set() and self.fault is None:
            try:
                self.registry.update(self.service, BAD if self.chance.random() < 0.25 else GOOD,
                                     environment=self.environment, allow_missing=True)
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.INVALID_ARGUMENT:
                    self.refused.set()
                else:
                    self.fault = error


def set_amid(registry, service, writers):
    """Sets the strict schema as soon as nothing breaks it; its revision."""
    while True:
        try:
            revision = registry.set_schema(service, STRICT, environment="").header.revision
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.FAILED_PRECONDITION,
                                    grpc.StatusCode.ABORTED), error
            assert all(writer.fault is None for writer in writers)
        else:
            for writer in writers:
                assert writer.refused.wait(30), "bad values are refused from now on"
                writer.refused.clear()
            return revision


def broken_at(registry, service, environment, begin, end):
    """Revisions from begin to before end at which a value was live that breaks the schema."""
    page = registry.versions(service, environment)
    versions, found = list(page.versions), []
    while page.next_page_token:
        page = registry.versions(service, environment, page_token=page.next_page_token)
        versions += page.versions
    for at, version in enumerate(versions):  # the newest first
        until = versions[at - 1].revision if at > 0 else end
        if "port" not in json.loads(version.config_data) and version.revision < end and until > begin:
            found.append((version.revision, until))
    return found


def race(setter, writing, service, chances, rounds):
    """setter, writing: registries, one a writer."""
    writers = [Writer(registry, service, f"e{i}", chance)
               for i, (registry, chance) in enumerate(zip(writing, chances))]
    for writer in writers:
        writer.start()
    spans = []
    try:
        for _ in range(rounds):
            begin = set_amid(setter, service, writers)
            spans.append((begin, setter.delete_schema(service).header.revision))
    finally:
        for writer in writers:
            writer.ended.set()
            writer.join(30)
    assert all(writer.fault is None for writer in writers), [writer.fault for writer in writers]
    for begin, end in spans:
        for writer in writers:
            found = broken_at(setter, service, writer.environment, begin, end)
            assert not found, (begin, end, writer.environment, found)
