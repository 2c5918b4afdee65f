"""The same as client.py, with grpc.aio.

    pip install -r requirements.txt && ./generate ../../../proto
    python3 client_asyncio.py 127.0.0.1:50051
"""

import asyncio
import sys

import grpc
from confreg.v1 import registry_service_pb2 as pb
from confreg.v1 import registry_service_pb2_grpc as rpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

ENVIRONMENT, SERVICE = "prod", "client-python_asyncio"
LAST_VERSION = 4  # the test writes versions 3 and 4
SECONDS = 120


async def error_info(call):
    """The google.rpc.ErrorInfo of a call that has failed; None: it has none."""
    for detail in (await rpc_status.aio.from_call(call)).details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info
    return None


def update(stub, expected_version):
    return stub.UpdateConfig(pb.UpdateConfigRequest(
        environment=ENVIRONMENT, service_name=SERVICE, merge_patch=b'{"pool":20}',
        expected_version=expected_version), timeout=SECONDS)


async def write(stub):
    created = await stub.CreateConfig(pb.CreateConfigRequest(
        environment=ENVIRONMENT, service_name=SERVICE, config_data=b'{"pool":10}',
        created_by="ada"), timeout=SECONDS)
    print("created", created.config.version, created.config.created_by)

    call = update(stub, 7)
    try:  # somebody else has changed it meanwhile, as far as this write knows
        await call
    except grpc.aio.AioRpcError as error:
        if error.code() != grpc.StatusCode.ABORTED:
            raise
        info = await error_info(call)
        print("conflict", info.reason, info.metadata["current_version"])

    updated = await update(stub, created.config.version)
    print("updated", updated.config.version)


async def follow(stub):
    """Watches until the last version has come. The header of each response is the position to
    resume after."""
    request = pb.WatchRequest(include_snapshot=True, selectors=[
        pb.Selector(environment=ENVIRONMENT, service_name=SERVICE)])
    while True:
        try:
            async for response in stub.Watch(request, timeout=SECONDS, wait_for_ready=True):
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
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            print("interrupted")


async def main():
    async with grpc.aio.insecure_channel(sys.argv[1]) as channel:
        stub = rpc.RegistryServiceStub(channel)
        await write(stub)
        await follow(stub)


sys.stdout.reconfigure(line_buffering=True)
asyncio.run(main())
