"""A client of confreg in Python, as an example and as a test: it creates a config, changes it on
condition, and watches it over a restart of the server.

    pip install -r requirements.txt && ./generate ../../../proto && python3 client.py 127.0.0.1:50051
"""

import sys

import grpc
from confreg.v1 import registry_service_pb2 as pb
from confreg.v1 import registry_service_pb2_grpc as rpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

ENVIRONMENT, SERVICE = "prod", "client-python"
LAST_VERSION = 4  # the test writes versions 3 and 4
SECONDS = 120


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


def follow(stub):
    """Watches until the last version has come. The header of each response is the position to
    resume after."""
    request = pb.WatchRequest(include_snapshot=True, selectors=[
        pb.Selector(environment=ENVIRONMENT, service_name=SERVICE)])
    while True:
        try:
            for response in stub.Watch(request, timeout=SECONDS, wait_for_ready=True):
                for config in response.configs:
                    print("snapshot", config.version, config.config_data.decode())
                for event in response.events:
                    print("event", event.version, event.config.config_data.decode())
                    if event.version == LAST_VERSION:
                        return
                if response.header.revision > 0:  # 0: the snapshot is not complete
                    request.include_snapshot = False
                    request.resume_after.CopyFrom(response.header)
                if response.kind == pb.WATCH_RESPONSE_KIND_SNAPSHOT_END:
                    print("watching")
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            print("interrupted")


sys.stdout.reconfigure(line_buffering=True)
with grpc.insecure_channel(sys.argv[1]) as channel:
    registry = rpc.RegistryServiceStub(channel)
    write(registry)
    follow(registry)
