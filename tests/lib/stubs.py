"""The Python stubs of the gRPC contract, generated on first use."""

import functools
import importlib
import os
import sys
import tempfile
from pathlib import Path

import grpc
import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]


@functools.lru_cache(maxsize=None)
def _generated():
    folders = [ROOT / "proto", ROOT / "rpc/proto"]
    out = tempfile.mkdtemp(prefix="confreg-stubs-")
    files = [str(path.relative_to(folder))
             for folder in folders for path in sorted(folder.rglob("*.proto"))]
    well_known = os.path.join(os.path.dirname(grpc_tools.__file__), "_proto")
    arguments = ["protoc", *(f"-I{folder}" for folder in folders), f"-I{well_known}",
                 f"--python_out={out}", f"--grpc_python_out={out}"]
    if protoc.main(arguments + files) != 0:
        raise RuntimeError("protoc cannot generate stubs")
    sys.path.insert(0, out)
    # grpc.health.v1 is generated into another folder than the library package grpc: add it.
    grpc.__path__.append(os.path.join(out, "grpc"))
    return out


def module(name):
    """A generated module: module("confreg.v1.registry_pb2")."""
    _generated()
    return importlib.import_module(name)


pb = module("confreg.v1.registry_pb2")
api_pb = module("confreg.v1.registry_service_pb2")
api_grpc = module("confreg.v1.registry_service_pb2_grpc")
health_pb = module("grpc.health.v1.health_pb2")
health_grpc = module("grpc.health.v1.health_pb2_grpc")
rpc_status_pb = module("google.rpc.status_pb2")
error_details_pb = module("google.rpc.error_details_pb2")
