"""load_typed_config: settings that are checked against the schema file of a service.

A schema file is either a JSON Schema (an object with "type": "object" and "properties"), or of the
older form that names for each field its type and where its value comes from:

    {"fields": {"db_host": {"type": "string", "source": "env", "env_var": "DB_HOST",
                            "default": "localhost", "required": false}}}
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator
from typing import Any, Callable

from . import _json, errors
from ._connection import Credentials
from ._reading import Name
from ._sources import open_source

_FALSE, _TRUE = ("false", "0", "no", "off", ""), ("true", "1", "yes", "on")
_DEFAULT_FOLDERS = ("documents/schemas/configs", "../documents/schemas/configs")


class ConfigSchemaError(Exception):
    """The service has no schema file, or it is damaged."""


class ConfigValidationError(Exception):
    """The settings do not fit the schema. `errors` has one text for each fault, and so has str(), a line
    each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.errors = faults


class TypedConfig:
    """Settings as attributes, which cannot be changed."""

    def __init__(self, values: dict[str, Any]) -> None:
        object.__setattr__(self, "_values", values)

    def __getattr__(self, name: str) -> Any:
        values: dict[str, Any] = object.__getattribute__(self, "_values")
        try:
            return values[name]
        except KeyError:
            known = ", ".join(sorted(values)) or "none"
            raise AttributeError(f"there is no setting {name!r}; there are: {known}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"settings cannot be changed: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"settings cannot be removed: {name}")

    def __dir__(self) -> Iterator[str]:
        yield from object.__getattribute__(self, "_values")

    def __repr__(self) -> str:
        return f"TypedConfig({', '.join(self.__dir__())})"


def load_typed_config(service_name: str, schema_dir: str | None = None,
                      config_data: dict[str, Any] | None = None, *,
                      registry_url: str | None = None, environment: str = "default",
                      credentials: Credentials | None = None) -> TypedConfig:
    """The settings of a service.

    With config_data: checked against the schema. Without: each field is read from where the schema
    says, which is an environment variable, a file of /run/secrets ($SECRETS_DIR), or, for
    "storage", the registry at registry_url ($CONFREG_URL).

    The schema is SCHEMA_DIR/SERVICE.json; SCHEMA_DIR is the argument, else $SCHEMA_DIR, else
    documents/schemas/configs under the working folder or its parent.

    ConfigSchemaError, ConfigValidationError.
    """
    schema = _read_schema(service_name, schema_dir)
    if _is_json_schema(schema):
        data = config_data if config_data is not None else _of_variables(schema)
        _check_by_json_schema(schema, data)
        return TypedConfig(dict(data))
    fields = schema["fields"]
    if config_data is not None:
        return TypedConfig(_check_fields(fields, config_data))
    return TypedConfig(_read_fields(fields, _Storage(service_name, environment, registry_url,
                                                     credentials)))


# ---- The schema ----

def _read_schema(service_name: str, schema_dir: str | None) -> dict[str, Any]:
    folder = schema_dir or os.environ.get("SCHEMA_DIR")
    folders = [folder] if folder else list(_DEFAULT_FOLDERS)
    paths = [pathlib.Path(folder) / f"{service_name}.json" for folder in folders]
    for path in paths:
        try:
            schema = _json.loads(path.read_bytes())
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise ConfigSchemaError(f"{path} cannot be read: {error}") from None
        if not isinstance(schema, dict) or not (_is_json_schema(schema) or _has_fields(schema)):
            raise ConfigSchemaError(f"{path} has neither \"fields\" nor a JSON Schema's \"properties\"")
        return schema
    raise ConfigSchemaError(f"{service_name} has no schema: {' and '.join(map(str, paths))} "
                            "do not exist")


def _is_json_schema(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "object" and isinstance(schema.get("properties"), dict)


def _has_fields(schema: dict[str, Any]) -> bool:
    fields = schema.get("fields")
    return isinstance(fields, dict) and all(
        isinstance(field, dict) and field.get("type", "string") in _TYPES
        for field in fields.values())


# ---- Values that are there ----

def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "int": _is_int,
    "bool": lambda value: isinstance(value, bool),
    "float": lambda value: _is_int(value) or isinstance(value, float),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
}


def _check_fields(fields: dict[str, Any], data: dict[str, Any], path: str = "") -> dict[str, Any]:
    """The data with defaults filled in."""
    faults: list[str] = []
    values = dict(data)
    for name, field in fields.items():
        kind = field.get("type", "string")
        if name not in data:
            if field.get("required", False):
                faults.append(f"{path}{name}: is required")
            elif "default" in field:
                values[name] = field["default"]
        elif not _TYPES[kind](data[name]):
            faults.append(f"{path}{name}: is {type(data[name]).__name__}, must be {kind}")
        elif kind == "object" and isinstance(field.get("properties"), dict):
            try:
                values[name] = _check_fields(field["properties"], data[name], f"{path}{name}.")
            except ConfigValidationError as error:
                faults += error.errors
    if faults:
        raise ConfigValidationError(faults)
    return values


# ---- Values from elsewhere ----

def _bool_of(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(text)


def _json_of(kind: type) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        value = _json.loads(text)
        if not isinstance(value, kind):
            raise ValueError(f"no {kind.__name__}")
        return value
    return parse


_PARSERS: dict[str, Callable[[str], Any]] = {
    "string": str, "int": int, "bool": _bool_of, "float": float,
    "object": _json_of(dict), "array": _json_of(list),
}


class _Storage:
    """The registry's config of the service, read when the first field asks for it."""

    def __init__(self, service_name: str, environment: str, url: str | None,
                 credentials: Credentials | None) -> None:
        self._name = Name(service_name, environment)
        self._url = url or os.environ.get("CONFREG_URL")
        self._credentials = credentials or Credentials()
        self._data: dict[str, Any] | None = None

    def find(self, name: str) -> Any:
        """KeyError: it has no such key, or cannot be read."""
        if self._data is None:
            self._data = self._fetch()
        return self._data[name]

    def _fetch(self) -> dict[str, Any]:
        if self._url is None:
            return {}
        source = open_source(self._url, self._name, self._credentials, 10, 60, False)
        try:
            return source.fetch().data or {}
        except errors.ConfregError:
            return {}
        finally:
            source.close()


def _secret(name: str) -> str:
    folder = pathlib.Path(os.environ.get("SECRETS_DIR", "/run/secrets"))
    return (folder / name).read_text().strip()


def _read_field(name: str, field: dict[str, Any], storage: _Storage) -> Any:
    """KeyError, OSError: it is nowhere. ValueError: it cannot be converted."""
    source, kind = field.get("source", "env"), field.get("type", "string")
    if source == "env":
        return _PARSERS[kind](os.environ[field.get("env_var") or name.upper()])
    if source == "secret":
        return _PARSERS[kind](_secret(field.get("secret_name") or name))
    if source == "storage":
        value = storage.find(name)
        if not _TYPES[kind](value):
            raise ValueError(name)
        return value
    raise KeyError(name)  # "static": the default


def _read_fields(fields: dict[str, Any], storage: _Storage) -> dict[str, Any]:
    faults: list[str] = []
    values: dict[str, Any] = {}
    for name, field in fields.items():
        try:
            values[name] = _read_field(name, field, storage)
        except (KeyError, OSError, ValueError) as error:
            if "default" in field:
                values[name] = field["default"]
            elif field.get("required", False):
                missing = isinstance(error, (KeyError, OSError))
                faults.append(f"{name}: is required" if missing else
                              f"{name}: cannot be converted to {field.get('type', 'string')}")
            else:
                values[name] = None
    if faults:
        raise ConfigValidationError(faults)
    return values


# ---- JSON Schema ----

_JSON_PARSERS: dict[str, Callable[[str], Any]] = {
    "string": str, "integer": int, "boolean": _bool_of, "number": float,
    "object": _json_of(dict), "array": _json_of(list),
}


def _of_variables(schema: dict[str, Any]) -> dict[str, Any]:
    """Each property from the environment variable of its name in upper case, else its default."""
    values: dict[str, Any] = {}
    for name, member in schema["properties"].items():
        member = member if isinstance(member, dict) else {}
        text = os.environ.get(name.upper())
        if text is not None:
            kind = member.get("type")
            try:
                values[name] = _JSON_PARSERS[kind if isinstance(kind, str) else "string"](text)
            except (KeyError, ValueError):
                values[name] = text  # the check says what is wrong with it
        elif "default" in member:
            values[name] = member["default"]
    return values


def _check_by_json_schema(schema: dict[str, Any], data: dict[str, Any]) -> None:
    try:
        import jsonschema
    except ImportError:
        raise ConfigSchemaError("a JSON Schema needs the package jsonschema: "
                                "pip install confreg[schema]") from None
    try:
        kind = jsonschema.validators.validator_for(schema)
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ConfigSchemaError(f"the JSON Schema is damaged: {error.message}") from None
    faults = [f"{'.'.join(map(str, fault.absolute_path)) or 'config_data'}: {fault.message}"
              for fault in kind(schema).iter_errors(data)]
    if faults:
        raise ConfigValidationError(sorted(faults))
