"""A client of confreg in Python, as an example and as a test: it creates a config, changes it on
condition, and watches it over a restart of the server.

    pip install -r requirements.txt && ./generate ../../../proto && python3 client.py 127.0.0.1:50051
"""

import random
import sys
import time

import grpc
from confreg.v1 import registry_service_pb2 as pb
from confreg.v1 import registry_service_pb2_grpc as rpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

ENVIRONMENT, SERVICE = "prod", "client-python"
LAST_VERSION = 4  # the test writes versions 3 and 4
SECONDS = 120      # that a call may take
FIRST_WAIT, MOST_WAIT = 0.2, 15.0
CHANNEL_OPTIONS = [("grpc.keepalive_time_ms", 20_000)]  # notices a server that hangs


def error_info(error):
    """The google.rpc.ErrorInfo of an error; None: it has none."""
    for detail in rpc_status.from_call(error).details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info
    return None


def update(stub, expected_version):
    return stub.UpdateConfig(pb.UpdateConfigRequest(
        environment=ENVIRONMENT, service_name=SERVICE, merge_patch=b'{"pool":20}',
        expected_version=expected_version), timeout=SECONDS)


def write(stub):
    created = stub.CreateConfig(pb.CreateConfigRequest(
        environment=ENVIRONMENT, service_name=SERVICE, config_data=b'{"pool":10}',
        created_by="ada"), timeout=SECONDS)
    print("created", created.config.version, created.config.created_by)

    try:  # somebody else has changed it meanwhile, as far as this write knows
        update(stub, 7)
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.ABORTED:
            raise
        info = error_info(error)
        print("conflict", info.reason, info.metadata["current_version"])

    print("updated", update(stub, created.config.version).config.version)


def watch(stub, request):
    """One stream. Keeps request such that the next one goes on after the last response that was
    handled. Returns whether the last version has come; False: the stream has ended."""
    events = []  # of a commit that may not be complete
    for response in stub.Watch(request, wait_for_ready=True):
        for config in response.configs:
            print("snapshot", config.version, config.config_data.decode())
        if response.kind == pb.WATCH_RESPONSE_KIND_SNAPSHOT_END:
            print("watching")
        events += response.events
        if response.more:
            continue  # the commit goes on in the next response
        for event in events:
            print("event", event.version, event.config.config_data.decode())
        if response.header.revision > 0:  # 0: the snapshot is not complete
            request.include_snapshot = False
            request.resume_after.CopyFrom(response.header)
        if any(event.version == LAST_VERSION for event in events):
            return True
        events = []
    return False


def follow(stub):
    """Watches until the last version has come; no error ends it. It resumes after the last response
    that was handled, or begins with a snapshot again where that is no longer possible (a
    compaction, another log), and waits a random time before each attempt."""
    request = pb.WatchRequest(include_snapshot=True, progress_interval={"seconds": 10}, selectors=[
        pb.Selector(environment=ENVIRONMENT, service_name=SERVICE)])
    bound = FIRST_WAIT
    while True:
        before = request.resume_after.revision
        try:
            if watch(stub, request):
                return
            print("interrupted: the server has ended the stream")
        except grpc.RpcError as error:
            print(f"interrupted: {error.code().name} {error.details()}")
            if error.code() in (grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.FAILED_PRECONDITION):
                request.include_snapshot = True
                request.ClearField("resume_after")
        if request.resume_after.revision != before:
            bound = FIRST_WAIT
        time.sleep(random.uniform(0, bound))
        bound = min(2 * bound, MOST_WAIT)


sys.stdout.reconfigure(line_buffering=True)
with grpc.insecure_channel(sys.argv[1], options=CHANNEL_OPTIONS) as channel:
    registry = rpc.RegistryServiceStub(channel)
    write(registry)
    follow(registry)
