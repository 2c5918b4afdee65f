"""The messages of confreg.v1, made at run time from the descriptors that the package carries.

No generated code is shipped, so the package works with any version of protobuf that can be installed
beside it. The descriptors are in a pool of their own: a program can have generated classes of the
same API, of another version, too."""

from __future__ import annotations

from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "confreg.v1.RegistryService"

_pool = descriptor_pool.DescriptorPool()
for _file in descriptor_pb2.FileDescriptorSet.FromString(
    (resources.files(__package__) / "confreg.protoset").read_bytes()
).file:
    _pool.Add(_file)


def message_class(full_name: str) -> Any:
    """The class of a message, such as "google.rpc.Status"."""
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(full_name))


def new(name: str, **fields: Any) -> Any:
    """A message of confreg.v1, such as new("GetConfigRequest", service_name="billing")."""
    return message_class(f"confreg.v1.{name}")(**fields)


def enum_name(name: str, number: int, prefix: str) -> str:
    """The name of an enum's value in lower case without its prefix; "unknown" for a newer one."""
    value = _pool.FindEnumTypeByName(f"confreg.v1.{name}").values_by_number.get(number)
    return "unknown" if value is None else str(value.name)[len(prefix):].lower()


def enum_number(name: str, text: str, prefix: str) -> int:
    """The reverse. ValueError: there is no such value."""
    values = _pool.FindEnumTypeByName(f"confreg.v1.{name}").values_by_name
    value = values.get(prefix + text.upper())
    if value is None:
        known = ", ".join(sorted(known[len(prefix):].lower() for known in values))
        raise ValueError(f"{text!r} is none of {known}")
    return int(value.number)


class Method:
    """A method of the service: its path and how its messages become bytes."""

    def __init__(self, name: str) -> None:
        method = _pool.FindServiceByName(SERVICE).methods_by_name[name]
        self.name = name
        self.path = f"/{SERVICE}/{name}"
        self.encode = message_factory.GetMessageClass(method.input_type).SerializeToString
        self.decode = message_factory.GetMessageClass(method.output_type).FromString


def method_names() -> list[str]:
    return [method.name for method in _pool.FindServiceByName(SERVICE).methods]
