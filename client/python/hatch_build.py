"""Puts the descriptors of the API into the package: confreg.protoset, made of the .proto files of the
repository. A source archive carries the made file, so that a wheel can be built from it alone."""

import pathlib
import subprocess
import sys

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILES = ("confreg/v1/registry_service.proto", "google/rpc/error_details.proto")


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        root = pathlib.Path(self.root)
        repository = root.parent.parent
        made = root / "src" / "confreg" / "confreg.protoset"
        sources = (repository / "proto", repository / "rpc" / "proto")
        if all(folder.is_dir() for folder in sources):
            subprocess.run(
                [sys.executable, "-m", "grpc_tools.protoc", *(f"-I{folder}" for folder in sources),
                 "--include_imports", f"--descriptor_set_out={made}", *FILES],
                check=True)
        build_data["artifacts"].append("src/confreg/confreg.protoset")
