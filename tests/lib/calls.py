"""Short forms of the service's calls, for tests."""

import json

from stubs import api_pb

TIMEOUT = 60


def text(data):
    return data.encode() if isinstance(data, str) else data


class Registry:
    """registry.create("billing", '{"a":1}', comment="why"). The default environment is "prod"."""

    def __init__(self, stub):
        self.stub = stub

    def _call(self, method, service, environment, **fields):
        request = getattr(api_pb, f"{method}Request")(service_name=service,
                                                      environment=environment, **fields)
        return getattr(self.stub, method)(request, timeout=TIMEOUT)

    def create(self, service, data='{"a":1}', environment="prod", **fields):
        return self._call("CreateConfig", service, environment, config_data=text(data), **fields)

    def update(self, service, data='{"a":2}', environment="prod", **fields):
        return self._call("UpdateConfig", service, environment, config_data=text(data), **fields)

    def patch(self, service, patch, environment="prod", **fields):
        return self._call("UpdateConfig", service, environment, merge_patch=text(patch), **fields)

    def json_patch(self, service, patch, environment="prod", **fields):
        return self._call("UpdateConfig", service, environment, json_patch=text(patch), **fields)

    def copy(self, service, source, environment="prod", **fields):
        return self._call("UpdateConfig", service, environment, source_environment=source,
                          **fields)

    def without_content(self, service):
        return self._call("UpdateConfig", service, "prod")

    def delete(self, service, version=0, environment="prod", **fields):
        return self._call("DeleteConfig", service, environment, version=version, **fields)

    def rollback(self, service, version, environment="prod", **fields):
        return self._call("RollbackConfig", service, environment, version=version, **fields)

    def undelete(self, service, version=0, environment="prod", **fields):
        return self._call("UndeleteConfig", service, environment, version=version, **fields)

    def commit(self, changes, **fields):
        request = api_pb.CommitChangesRequest(changes=changes, **fields)
        return self.stub.CommitChanges(request, timeout=TIMEOUT)

    def write(self, writes):
        return self.stub.WriteConfigs(api_pb.WriteConfigsRequest(writes=writes), timeout=TIMEOUT)

    def get(self, service, version=0, environment="prod", **fields):
        return self._call("GetConfig", service, environment, version=version, **fields)

    def data(self, service, version=0, environment="prod"):
        return self.get(service, version, environment).config.config_data

    def batch(self, names, **fields):
        return self.stub.BatchGetConfigs(
            api_pb.BatchGetConfigsRequest(names=names, **fields), timeout=TIMEOUT)

    def list(self, **fields):
        return self.stub.ListConfigs(api_pb.ListConfigsRequest(**fields), timeout=TIMEOUT)

    def versions(self, service, environment="prod", **fields):
        return self._call("ListVersions", service, environment, **fields)

    def version_numbers(self, service, environment="prod", **fields):
        return [v.version for v in self.versions(service, environment, **fields).versions]

    def diff(self, service, old_version=0, new_version=0, environment="prod", **fields):
        return self._call("DiffVersions", service, environment, old_version=old_version,
                          new_version=new_version, **fields)

    def set_schema(self, service, schema=None, environment="", **fields):
        """schema: a text, or anything else as JSON; None: with source_version."""
        if schema is not None:
            fields["schema"] = text(schema if isinstance(schema, (str, bytes)) else json.dumps(schema))
        return self._call("SetSchema", service, environment, **fields)

    def schema(self, service, version=0, environment="", **fields):
        return self._call("GetSchema", service, environment, version=version, **fields)

    def try_schema(self, service, schema=None, environment="", **fields):
        """As set_schema; None: the schema is deleted."""
        if schema is not None:
            fields["schema"] = text(schema if isinstance(schema, (str, bytes)) else json.dumps(schema))
        return self._call("TrySchema", service, environment, **fields)

    def find_broken(self, **fields):
        return self.stub.FindBroken(api_pb.FindBrokenRequest(**fields), timeout=TIMEOUT)

    def delete_schema(self, service, environment="", **fields):
        return self._call("DeleteSchema", service, environment, **fields)

    def schemas(self, **fields):
        return self.stub.ListSchemas(api_pb.ListSchemasRequest(**fields), timeout=TIMEOUT)

    def schema_versions(self, service, environment="", **fields):
        return self._call("ListSchemaVersions", service, environment, **fields)

    def diff_schemas(self, service, old_version=0, new_version=0, environment="", **fields):
        return self._call("DiffSchemas", service, environment, old_version=old_version,
                          new_version=new_version, **fields)

    def status(self):
        return self.stub.GetStatus(api_pb.GetStatusRequest(), timeout=TIMEOUT)

    def access(self):
        return self.stub.GetAccess(api_pb.GetAccessRequest(), timeout=TIMEOUT)

    def revision(self):
        return self.status().header.revision


def create_change(service, data='{"a":1}', environment="prod", **fields):
    return api_pb.Write(create=api_pb.CreateConfigRequest(
        service_name=service, environment=environment, config_data=text(data), **fields))


def update_change(service, data='{"a":2}', environment="prod", **fields):
    return api_pb.Write(update=api_pb.UpdateConfigRequest(
        service_name=service, environment=environment, config_data=text(data), **fields))


def patch_change(service, merge_patch, environment="prod", **fields):
    return api_pb.Write(update=api_pb.UpdateConfigRequest(
        service_name=service, environment=environment, merge_patch=text(merge_patch), **fields))


def json_patch_change(service, json_patch, environment="prod", **fields):
    return api_pb.Write(update=api_pb.UpdateConfigRequest(
        service_name=service, environment=environment, json_patch=text(json_patch), **fields))


def delete_change(service, environment="prod", **fields):
    return api_pb.Write(delete=api_pb.DeleteConfigRequest(
        service_name=service, environment=environment, **fields))


def rollback_change(service, version, environment="prod", **fields):
    return api_pb.Write(rollback=api_pb.RollbackConfigRequest(
        service_name=service, environment=environment, version=version, **fields))


def undelete_change(service, version=0, environment="prod", **fields):
    return api_pb.Write(undelete=api_pb.UndeleteConfigRequest(
        service_name=service, environment=environment, version=version, **fields))
