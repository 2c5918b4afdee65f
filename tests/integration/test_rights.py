"""What callers may do and see: every method x role x scope, from the table of rights itself, and each
way in which a right could be got around."""

import importlib.machinery
import importlib.util
import json
import re
import time
import uuid

import grpc
import mongodb
import pytest
from access import AccessFile, as_caller, grant
from calls import (TIMEOUT, Registry, create_change, delete_change, rollback_change,
                   undelete_change, update_change)
from daemon import CHANNEL_OPTIONS, ROOT, Confregd, connect, until
from errors import Refusal, refused
from guarded import Guarded
from stubs import api_grpc, api_pb, health_grpc, health_pb, module, pb
from tape import tap
from watching import Watch

pytestmark = pytest.mark.any_store

reflection_pb = module("grpc.reflection.v1.reflection_pb2")
reflection_grpc = module("grpc.reflection.v1.reflection_pb2_grpc")


def _tables():
    loader = importlib.machinery.SourceFileLoader("rights", str(ROOT / "scripts" / "rights"))
    spec = importlib.util.spec_from_loader("rights", loader)
    made = importlib.util.module_from_spec(spec)
    loader.exec_module(made)
    return made.rights(), made.roles()


RIGHTS, ROLES = _tables()
METHODS = {right.method: right for right in RIGHTS}

# Patterns of environments and of services; None: every one.
SCOPES = {
    "everywhere": (None, None),
    "one": (["prod"], ["billing"]),
    "pattern": (["prod", "default"], ["bill*"]),
    "elsewhere": (["test"], ["web"]),
    "an environment": (["prod"], None),
    "defaults": (["default"], None),
    "one default": (["default"], ["billing"]),
}
FOR_ALL_ROLES = ("everywhere", "one", "pattern", "elsewhere")
CALLERS = {f"{role}-{scope}": [(role, scope)] for role in ROLES for scope in FOR_ALL_ROLES} | {
    "nothing": [],
    "added up": [("reader", "pattern"), ("admin", "elsewhere"), ("auditor", "one")],
    "more defaults": [("reader", "defaults"), ("reader", "one")],
    "fewer defaults": [("reader", "an environment"), ("reader", "one default")],
}
ENVIRONMENTS = ("default", "prod", "test")
SERVICES = ("billing", "billing-api", "web")
CONFIGS = [(environment, service) for environment in ENVIRONMENTS for service in SERVICES]
MISSING = "billing-missing"  # a service that no environment has


class Caller:
    """A principal, and what the test expects of its grants."""

    def __init__(self, name, access):
        self.name = name
        self.grants = [(ROLES[role], *SCOPES[scope]) for role, scope in CALLERS[name]]
        self.token = access.add(name, *(grant(role, *SCOPES[scope])
                                        for role, scope in CALLERS[name]))

    def may(self, permission, environment, service):
        def matches(patterns, text):
            return patterns is None or any(
                re.fullmatch(".*".join(map(re.escape, p.split("*"))), text) for p in patterns)

        return any(permission in had and matches(environments, environment) and
                   matches(services, service) for had, environments, services in self.grants)

    def may_one_of(self, permissions, environment, service):
        return any(self.may(p, environment, service) for p in permissions)

    def has(self, permissions):
        return any(had & permissions for had, _, _ in self.grants)

    def has_everywhere(self, permissions):
        return any(had & permissions and environments is None and services is None
                   for had, environments, services in self.grants)

    def visible(self, permissions=frozenset({"READ"})):
        return {config for config in CONFIGS if self.may_one_of(permissions, *config)}


class Site:
    """One or several nodes on one store, with everybody's token and some configs."""

    def __init__(self, nodes, access):
        self.nodes, self.turn = nodes, 0
        self.callers = {name: Caller(name, access) for name in CALLERS}
        self.root = access.add("root", grant("super-admin"), grant("auditor"))
        for node in nodes:
            node.start()
        root = self.registry_of(self.root)
        for environment, service in CONFIGS:
            root.create(service, f'{{"of":"{environment}/{service}"}}', environment)
            root.update(service, f'{{"now":"{environment}/{service}"}}', environment)
            root.set_schema(service, '{"title":"one"}', environment)
            root.set_schema(service, '{"title":"two"}', environment)
            root.create(f"{service}-gone", "{}", environment)
            root.delete(f"{service}-gone", environment=environment)
        for service in SERVICES:
            root.set_schema(service, "{}")
        self.in_step()

    def in_step(self):
        until(lambda: len({node.registry(self.root).revision() for node in self.nodes}) == 1,
              "the nodes are in step")

    def registry_of(self, token):
        """At one node after the other."""
        self.turn += 1
        return self.nodes[self.turn % len(self.nodes)].registry(token)

    def registry(self, name):
        return self.registry_of(self.callers[name].token)


@pytest.fixture(scope="module", params=["one node", "three nodes"])
def site(request, launch, tmp_path_factory):
    access = AccessFile(tmp_path_factory.mktemp("access"))
    if request.param == "one node":
        folder = tmp_path_factory.mktemp("node")
        yield Site([launch(Guarded, store=f"sqlite:{folder}/confreg.db", access=access)], access)
        return
    server = mongodb.Server("secantus", tmp_path_factory.mktemp("mongodb"),
                            mongodb.DURABLE["secantus"])
    server.start()
    store = mongodb.database(server.address, f"rights_{uuid.uuid4().hex[:12]}")
    nodes = [launch(Guarded, store=store, access=access) for _ in range(3)]
    yield Site(nodes, access)
    for node in nodes:
        node.end()  # before the database does
    server.stop()


def outcome(call, *arguments, **fields):
    """The answer, or the refusal. A test that must not be refused says so by the answer's type."""
    try:
        return call(*arguments, **fields)
    except grpc.RpcError as error:
        return Refusal(error)


def is_denied(answer):
    if isinstance(answer, Refusal) and answer.code == "PERMISSION_DENIED":
        assert answer.reason == "NOT_ALLOWED", answer
        return True
    return False


# ---- The matrix ----

DRY = {"validate_only": True}
NAMED = {  # how each method is called so that it succeeds for a caller who may
    "GetConfig": lambda r, e, s: r.get(s, environment=e),
    "ListVersions": lambda r, e, s: r.versions(s, e),
    "DiffVersions": lambda r, e, s: r.diff(s, environment=e),
    "CreateConfig": lambda r, e, s: r.create(f"{s}-gone", environment=e, **DRY),
    "UpdateConfig": lambda r, e, s: r.update(s, environment=e, **DRY),
    "RollbackConfig": lambda r, e, s: r.rollback(s, 1, e, **DRY),
    "UndeleteConfig": lambda r, e, s: r.undelete(f"{s}-gone", environment=e, **DRY),
    "DeleteConfig": lambda r, e, s: r.delete(s, environment=e, **DRY),
    "CommitChanges": lambda r, e, s: r.commit([update_change(s, environment=e)], **DRY),
    "GetSchema": lambda r, e, s: r.schema(s, environment=e),
    "ListSchemaVersions": lambda r, e, s: r.schema_versions(s, e),
    "DiffSchemas": lambda r, e, s: r.diff_schemas(s, environment=e),
    "TrySchema": lambda r, e, s: r.try_schema(s, "{}", e),
    "SetSchema": lambda r, e, s: r.set_schema(s, "{}", e, **DRY),
    "DeleteSchema": lambda r, e, s: r.delete_schema(s, e, **DRY),
}
GONE = {"CreateConfig", "UndeleteConfig"}


@pytest.mark.parametrize("name", CALLERS)
def test_a_named_config_needs_the_right(site, name):
    for method in NAMED:
        check_named(site, name, method)


def check_named(site, name, method):
    caller, right = site.callers[name], METHODS[method]
    assert right.scope == "NAMED"
    needed = {"WRITE"} if method == "CommitChanges" else right.permissions
    for environment, service in CONFIGS:
        answer = outcome(NAMED[method], site.registry(name), environment, service)
        named = f"{service}-gone" if method in GONE else service
        assert is_denied(answer) == (not caller.may_one_of(needed, environment, named))
        assert is_denied(answer) or not isinstance(answer, Refusal), answer


@pytest.mark.parametrize("name", CALLERS)
def test_a_schema_for_all_environments_is_read_by_part_and_changed_by_all(site, name):
    caller = site.callers[name]
    for service in SERVICES:
        some = any(caller.may("READ", e, service) for e in ENVIRONMENTS)
        every = caller.has_everywhere({"SCHEMA"})
        for method, allowed in (("GetSchema", some), ("ListSchemaVersions", some),
                                ("SetSchema", every), ("DeleteSchema", every),
                                ("TrySchema", every)):
            answer = outcome(NAMED[method], site.registry(name), "", service)
            assert is_denied(answer) == (not allowed), (method, answer)


def test_a_schema_of_resolved_values_needs_the_right_to_read_the_default(site):
    schema = '{"x-confreg-resolved":true,"properties":{"now":{"const":"a guess"}}}'
    for name, allowed in (("super-admin-one", False), ("super-admin-pattern", True)):
        answer = outcome(site.registry(name).set_schema, "billing", schema, "prod", validate_only=True)
        assert is_denied(answer) == (not allowed), (name, answer)
    owner = site.registry("super-admin-pattern")
    old = owner.set_schema("billing", schema, "prod", force=True).schema.version
    for back in ({"source_version": old}, {"undo": True}):
        owner.set_schema("billing", {}, "prod")
        site.in_step()
        for name, allowed in (("super-admin-one", False), ("super-admin-pattern", True)):
            answer = outcome(site.registry(name).set_schema, "billing", None, "prod", validate_only=True, force=True,
                             **back)
            assert is_denied(answer) == (not allowed), (name, back, answer)
        owner.set_schema("billing", schema, "prod", force=True)
    owner.set_schema("billing", {}, "prod")
    site.in_step()


def test_a_schema_refers_only_to_what_its_author_may_read(site):
    """The same whether there is one or not, and also through others."""
    root, one = site.registry_of(site.root), site.registry("super-admin-one")
    root.set_schema("hidden-gone", {"type": "object"})
    site.in_step()
    for target in ("hidden-gone", "no-such-service", "prod/hidden-gone"):
        for schema in ({"$ref": f"confreg:/{target}"},
                       {"$id": "confreg:/x", "properties": {"a": {"$ref": f"/{target}"}}}):
            with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
                one.set_schema("billing", schema, "prod", validate_only=True)
            with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
                one.stub.TrySchema(api_pb.TrySchemaRequest(
                    environment="prod", service_name="billing", schema=json.dumps(schema).encode()),
                    timeout=TIMEOUT)
    kept = root.schema("billing").schema.version
    root.set_schema("billing", {"$ref": "confreg:/hidden-gone"})
    site.in_step()
    with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
        one.set_schema("billing", {"$ref": "confreg:/billing"}, "prod", validate_only=True)
    with refused("INVALID_ARGUMENT", "SCHEMA_INVALID"):
        root.set_schema("billing", {"$ref": "confreg:/no-such-service"}, "prod",
                        validate_only=True)
    root.set_schema("billing", source_version=kept)
    refers = root.set_schema("billing", {"$ref": "confreg:/hidden-gone"}, "prod").schema.version
    root.set_schema("billing", {}, "prod")
    site.in_step()
    for back in ({"source_version": refers}, {"undo": True}):  # what an older version refers to
        with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
            one.set_schema("billing", None, "prod", validate_only=True, **back)
    root.delete_schema("hidden-gone")
    site.in_step()


@pytest.mark.parametrize("name", CALLERS)
def test_a_list_of_schemas_has_those_of_visible_configs(site, name):
    caller = site.callers[name]
    answer = outcome(site.registry(name).schemas)
    assert is_denied(answer) == (not caller.visible())
    if not is_denied(answer):
        visible = caller.visible() | {("", service) for _, service in caller.visible()}
        assert {(s.environment, s.service_name) for s in answer.schemas} == visible


def status_of(call):
    """All that the client sees of a refusal, bytes of its details included."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error = caught.value
    return error.code(), error.details(), sorted(
        (k, v) for k, v in error.trailing_metadata() if k != "date")


@pytest.mark.parametrize("method", NAMED)
def test_a_refusal_does_not_tell_whether_the_config_exists(site, method):
    refusals = {str(status_of(lambda s=service: NAMED[method](site.registry("reader-elsewhere"),
                                                              "prod", s)))
                for service in ("billing", "web", "billing-gone", MISSING)}
    assert len(refusals) == 1


@pytest.mark.parametrize("name", CALLERS)
def test_a_resolved_config_needs_both_layers(site, name):
    caller = site.callers[name]
    for environment, service in CONFIGS:
        answer = outcome(site.registry(name).get, service, environment=environment, resolve=True)
        both = {environment, "default"}
        assert is_denied(answer) == (not all(caller.may("READ", e, service) for e in both))


@pytest.mark.parametrize("name", CALLERS)
def test_a_difference_needs_both_environments(site, name):
    caller = site.callers[name]
    for service in SERVICES:
        answer = outcome(site.registry(name).diff, service, environment="prod",
                         new_environment="default")
        assert is_denied(answer) == (not all(caller.may("READ", e, service)
                                             for e in ("prod", "default")))


@pytest.mark.parametrize("name", CALLERS)
def test_a_batch_says_which_names_are_denied(site, name):
    caller = site.callers[name]
    names = [*CONFIGS, ("prod", MISSING), ("test", MISSING)]
    answer = outcome(site.registry(name).batch,
                     [pb.ConfigName(environment=e, service_name=s) for e, s in names])
    if not caller.has({"READ"}):
        assert is_denied(answer)
        return
    assert {(c.environment, c.service_name) for c in answer.configs} == caller.visible()
    denied = {(n.environment, n.service_name) for n in answer.denied}
    assert denied == {n for n in names if not caller.may("READ", *n)}
    missing = {(n.environment, n.service_name) for n in answer.missing}
    assert missing == set(names) - denied - caller.visible()


@pytest.mark.parametrize("name", CALLERS)
def test_each_write_of_many_needs_its_own_right(site, name):
    caller = site.callers[name]
    writes = [(make, permission, config) for config in CONFIGS for make, permission in (
        (update_change, "WRITE"), (delete_change, "DELETE"))]
    answer = outcome(site.registry(name).write,
                     [make(s, environment=e, **DRY) for make, _, (e, s) in writes])
    if not caller.has({"WRITE", "DELETE"}):
        assert is_denied(answer)
        return
    for (_, permission, config), made in zip(writes, answer.outcomes, strict=True):
        denied = made.WhichOneof("outcome") == "error"
        assert denied == (not caller.may(permission, *config))
        assert not denied or made.error.code == grpc.StatusCode.PERMISSION_DENIED.value[0]


@pytest.mark.parametrize("name", CALLERS)
def test_a_commit_needs_the_right_to_all_its_changes(site, name):
    caller = site.callers[name]
    kinds = (lambda e: update_change("billing", environment=e),
             lambda e: rollback_change("billing", 1, environment=e),
             lambda e: delete_change("billing", environment=e),
             lambda e: undelete_change("billing-gone", environment=e),
             lambda e: create_change("billing-gone", environment=e))
    for change in kinds:
        made = [change("prod"), change("default")]
        part = made[0].WhichOneof("write")
        needed = "DELETE" if part == "delete" else "WRITE"
        answer = outcome(site.registry(name).commit, made, **DRY)
        service = getattr(made[0], part).service_name
        assert is_denied(answer) == (not all(caller.may(needed, e, service)
                                             for e in ("prod", "default")))


# The configs that each selection selects, by its fields.
SELECTIONS = [{}, {"environment": "prod"}, {"service_name": "billing"},
              {"service_name_prefix": "bill"}, {"service_name_prefix": "w"},
              {"environment": "test", "service_name": "web"},
              {"environment": "prod", "service_name": "billing"}]


def selected(fields):
    return {(e, s) for e, s in CONFIGS
            if fields.get("environment", e) == e and fields.get("service_name", s) == s and
            s.startswith(fields.get("service_name_prefix", ""))}


def expect_part(caller, answer, fields, permissions=frozenset({"READ"})):
    """Whether the caller gets an answer at all; checks what it says of being filtered."""
    if isinstance(answer, Refusal):
        assert is_denied(answer)
        assert not selected(fields) & caller.visible(permissions)
        return False
    # A right to all configs that there are may not be one to those that may come.
    assert answer.filtered or selected(fields) <= caller.visible(permissions)
    assert not answer.filtered or not caller.has_everywhere(permissions)
    return True


@pytest.mark.parametrize("name", CALLERS)
def test_a_list_has_the_allowed_part(site, name):
    for fields in SELECTIONS:
        check_list(site, name, fields)


def check_list(site, name, fields):
    caller = site.callers[name]
    answer = outcome(site.registry(name).list, page_size=2, **fields)
    found = []
    while expect_part(caller, answer, fields):
        found += [(c.environment, c.service_name) for c in answer.configs]
        if not answer.next_page_token:
            assert found == sorted(selected(fields) & caller.visible())
            return
        answer = outcome(site.registry(name).list, page_size=2, **fields,
                         page_token=answer.next_page_token)


@pytest.mark.parametrize("name", CALLERS)
def test_the_trash_has_the_allowed_part(site, name):
    caller = site.callers[name]
    answer = outcome(site.registry(name).list, only_deleted=True)
    if is_denied(answer):
        assert not caller.has({"READ"})
    else:
        assert {(c.environment, c.service_name) for c in answer.configs} == {
            (e, f"{s}-gone") for e, s in CONFIGS if caller.may("READ", e, f"{s}-gone")}


@pytest.mark.parametrize("name", CALLERS)
def test_the_change_log_has_the_allowed_part(site, name):
    for fields in SELECTIONS:
        check_change_log(site, name, fields)


def check_change_log(site, name, fields):
    caller, permissions = site.callers[name], METHODS["ListCommits"].permissions
    request = api_pb.ListCommitsRequest(view=api_pb.COMMIT_VIEW_PAYLOADS, oldest_first=True,
                                        **fields)
    answer = outcome(site.registry(name).stub.ListCommits, request, timeout=TIMEOUT)
    if not expect_part(caller, answer, fields, permissions):
        return
    assert not answer.next_page_token
    found = {(c.environment, c.service_name) for commit in answer.commits for c in commit.changes
             if not c.service_name.endswith("-gone")}
    visible = selected(fields) & caller.visible(permissions)
    if not fields.get("environment"):  # schemas for all environments, of whoever sees one of them
        visible |= {("", service) for _, service in visible}
    assert found == visible
    for commit in answer.commits:
        assert commit.change_count == 1
        for change in commit.changes:
            assert any(caller.may_one_of(permissions, environment, change.service_name)
                       for environment in ([change.environment] if change.environment
                                           else ENVIRONMENTS))
            assert change.kind == pb.CHANGE_KIND_DELETE or change.config.config_data


@pytest.mark.parametrize("name", CALLERS)
def test_a_comparison_has_what_both_sides_allow(site, name):
    caller = site.callers[name]
    request = api_pb.DiffConfigsRequest(environment="prod", new_environment="default")
    answer = outcome(site.registry(name).stub.DiffConfigs, request, timeout=TIMEOUT)
    both = {s for s in SERVICES if {("prod", s), ("default", s)} <= caller.visible()}
    if is_denied(answer):
        assert not both
    else:
        assert {d.service_name for d in answer.diffs} == both
        assert answer.filtered == (not caller.has_everywhere({"READ"}))


@pytest.mark.parametrize("name", CALLERS)
def test_a_search_for_secrets_has_the_allowed_part(site, name):
    """test_secrets.py has what it finds."""
    caller = site.callers[name]
    request = api_pb.FindSecretsRequest(include_superseded=True)
    answer = outcome(site.registry(name).stub.FindSecrets, request, timeout=TIMEOUT)
    if is_denied(answer):
        assert not caller.has({"READ"})
    else:
        assert caller.has({"READ"}) and answer.filtered == (not caller.has_everywhere({"READ"}))


@pytest.mark.parametrize("name", CALLERS)
def test_a_search_for_broken_configs_has_the_allowed_part(site, name):
    """test_broken.py has what it finds."""
    caller = site.callers[name]
    answer = outcome(site.registry(name).find_broken)
    if is_denied(answer):
        assert not caller.has({"READ"})
    else:
        assert caller.has({"READ"}) and answer.filtered == (not caller.has_everywhere({"READ"}))


@pytest.mark.parametrize("resolve", [False, True], ids=["plain", "resolved"])
@pytest.mark.parametrize("name", CALLERS)
def test_a_watch_has_the_allowed_part(site, name, resolve):
    """The snapshot, and after it the events."""
    caller = site.callers[name]
    selectors = [api_pb.Selector(environment="prod"), api_pb.Selector(environment="test")]
    site.in_step()
    wanted = {(e, s) for e, s in caller.visible() if e != "default" and
              (not resolve or caller.may("READ", "default", s))}
    try:
        with Watch(site.registry(name).stub, selectors=selectors, resolve=resolve,
                   include_snapshot=True) as watch:
            configs, _ = watch.snapshot()
            assert {(c.environment, c.service_name) for c in configs} == wanted
            root = site.registry_of(site.root)
            changes = [update_change(s, f'{{"n":"{uuid.uuid4()}"}}', e) for e, s in CONFIGS
                       if e != "default"]
            revision = root.commit(changes).header.revision
            got = {(e.environment, e.service_name): e for e in watch.events(len(wanted))}
            assert set(got) == wanted
            assert all(e.revision == revision for e in got.values())
    except grpc.RpcError as error:
        assert is_denied(Refusal(error)) and not wanted


@pytest.mark.parametrize("name", CALLERS)
def test_only_who_operates_everything_compacts(site, name):
    answer = outcome(site.registry(name).stub.Compact,
                     api_pb.CompactRequest(validate_only=True), timeout=TIMEOUT)
    assert METHODS["Compact"].scope == "ALL"
    assert is_denied(answer) == (not site.callers[name].has_everywhere({"OPERATE"}))


@pytest.mark.parametrize("name", CALLERS)
def test_the_state_of_a_node_is_for_who_operates_it(site, name):
    caller = site.callers[name]
    answer = site.registry(name).status()
    knows = caller.has_everywhere({"OPERATE"}) or caller.has({"DELEGATE"})
    assert answer.filtered != knows
    assert answer.version and answer.header.revision and answer.writable
    assert bool(answer.store) == bool(answer.config_count) == answer.HasField("relay") == knows


def test_every_method_is_in_the_matrix():
    tested = set(NAMED) | {"BatchGetConfigs", "WriteConfigs", "ListConfigs", "ListCommits",
                           "DiffConfigs", "FindSecrets", "FindBroken", "Watch", "WatchProgress", "Compact", "GetStatus", "GetAccess",
                           "ListSchemas"}
    methods = {m.name for m in api_pb.DESCRIPTOR.services_by_name["RegistryService"].methods}
    assert tested == set(METHODS) == methods


# ---- Ways around a right ----

@pytest.fixture(scope="module")
def server(launch):
    """Its principals: ada may everything, bob may read billing, eve may read and write web."""
    server = launch(Guarded)
    server.ada = server.access.add("ada", grant("super-admin"))
    server.bob = server.access.add("bob", grant("reader", ["prod"], ["billing"]))
    server.eve = server.access.add("eve", grant("admin", ["prod"], ["web*"]))
    server.start()
    ada = server.registry(server.ada)
    ada.create("billing", '{"secret":"of billing"}')
    ada.create("web", '{"secret":"of web"}')
    return server


@pytest.fixture
def ada(server):
    return server.registry(server.ada)


@pytest.fixture
def bob(server):
    return server.registry(server.bob)


@pytest.fixture
def eve(server):
    return server.registry(server.eve)


def test_a_change_of_a_hidden_config_does_not_reach_a_watch(ada, bob):
    """Nor does its previous value, whatever the watch selects."""
    with Watch(bob.stub, include_previous=True) as watch:
        assert watch.started().filtered
        ada.commit([update_change("web", '{"secret":"new"}'),
                    update_change("billing", '{"pool":1}')])
        response = watch.next()
        assert [e.service_name for e in response.events] == ["billing"]
        assert response.filtered and b"secret" in response.events[0].previous.config_data
        assert b"new" not in response.SerializeToString()


def test_a_watch_of_hidden_configs_only_is_refused(bob):
    with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
        Watch(bob.stub, selectors=[api_pb.Selector(service_name="web")]).next()


def test_conditions_and_dry_runs_tell_nothing(eve):
    """The right is asked before the precondition, the validation and the existence."""
    tries = [lambda: eve.update("billing", expected_version=99),
             lambda: eve.update("billing", "not json"),
             lambda: eve.update(MISSING, expected_revision=1),
             lambda: eve.update("billing", validate_only=True),
             lambda: eve.create("billing", request_id="x", comment="c" * 70000),
             lambda: eve.rollback("billing", 77), lambda: eve.json_patch("billing", "[]")]
    assert len({str(status_of(one)) for one in tries}) == 1


def test_a_wrong_epoch_and_a_far_revision_tell_nothing(bob):
    tries = [lambda: bob.get("web"), lambda: bob.get("web", version=7),
             lambda: bob.get("web", read=api_pb.ReadOptions(epoch="0" * 16)),
             lambda: bob.get("web", read=api_pb.ReadOptions(min_revision=10**9)),
             lambda: bob.versions("web", page_token="ff"), lambda: bob.diff("web", 4, 9)]
    assert len({str(status_of(one)) for one in tries}) == 1


def test_one_hidden_change_stops_a_whole_commit(ada, eve):
    before = ada.revision()
    with refused("PERMISSION_DENIED", "NOT_ALLOWED", "changes[1]"):
        eve.commit([update_change("web"), update_change("billing")])
    assert ada.revision() == before


def test_a_delete_inside_a_commit_needs_its_own_right(eve):
    with refused("PERMISSION_DENIED", "NOT_ALLOWED", "changes[0]"):
        eve.commit([delete_change("web")])


def test_the_first_answer_of_a_request_id_is_for_its_principal(server, ada, eve):
    """Of another one, the same id is another request; a right that went is asked again."""
    first = ada.update("web", '{"by":"ada"}', request_id="the same")
    second = eve.update("web", '{"by":"ada"}', request_id="the same")
    assert second.config.version == first.config.version + 1
    with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
        server.registry(server.bob).update("billing", '{"by":"ada"}', request_id="the same")


def test_a_page_token_is_for_its_principal_and_names_nothing_hidden(server, ada):
    for service in ("page-a", "page-b", "page-c", "page-d"):
        ada.create(service)
    uma = server.access.add("uma", grant("reader", ["prod"], ["page-a", "page-d", "web"]))
    server.access_reloaded()
    mine = server.registry(uma)
    page = mine.list(page_size=1, service_name_prefix="page-")
    assert [c.service_name for c in page.configs] == ["page-a"] and page.filtered
    key = bytes.fromhex(page.next_page_token)
    assert b"page-a" in key and b"page-b" not in key and b"page-c" not in key
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN"):
        ada.list(page_size=1, service_name_prefix="page-", page_token=page.next_page_token)
    rest = mine.list(service_name_prefix="page-", page_token=page.next_page_token)
    assert [c.service_name for c in rest.configs] == ["page-d"]


def test_a_watch_id_is_for_its_principal(ada, bob):
    with Watch(bob.stub, watch_id="mine") as watch:
        watch.started()
        with refused("NOT_FOUND", "WATCH_NOT_FOUND"):
            ada.stub.WatchProgress(api_pb.WatchProgressRequest(watch_id="mine"), timeout=TIMEOUT)
        answer = bob.stub.WatchProgress(api_pb.WatchProgressRequest(watch_id="mine"),
                                        timeout=TIMEOUT)
        assert answer.watch_count == 1


def test_a_change_log_does_not_count_what_it_hides(ada, bob):
    ada.commit([update_change("web", '{"hidden":1}'), update_change("billing", '{"shown":1}')])
    request = api_pb.ListCommitsRequest(page_size=1, view=api_pb.COMMIT_VIEW_DIFF)
    answer = bob.stub.ListCommits(request, timeout=TIMEOUT)
    assert answer.filtered and answer.commits[0].change_count == 1
    assert b"hidden" not in answer.SerializeToString()
    with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
        bob.stub.ListCommits(api_pb.ListCommitsRequest(service_name="web"), timeout=TIMEOUT)


# ---- Rights that change ----

PROD = [api_pb.Selector(environment="prod")]
BILLING, WEB, ALL = (grant("reader", ["prod"], services) for services in (["billing"], ["web"], None))


@pytest.fixture
def visitor(server):
    """A principal who may read all of prod, as (registry, what changes his grants)."""
    name = f"visitor-{uuid.uuid4().hex[:8]}"
    token = server.access.add(name, grant("reader", ["prod"]))
    server.access_reloaded()

    def allow(*grants):
        server.access.set_grants(name, *grants)
        server.access_reloaded()

    allow.token = token
    return server.registry(token), allow


def test_an_open_watch_narrows_and_widens(ada, visitor):
    registry, allow = visitor
    with Watch(registry.stub, selectors=[api_pb.Selector(environment="prod")]) as watch:
        assert not watch.started().filtered
        allow(grant("reader", ["prod"], ["billing"]))
        assert watch.next().filtered  # a mark says so, although nothing has changed
        ada.update("web", '{"hidden":2}')
        ada.update("billing", '{"shown":2}')
        assert [e.service_name for e in watch.next().events] == ["billing"]
        allow(grant("reader", ["prod"]))
        assert not watch.next().filtered
        ada.update("web", '{"shown":3}')
        last = watch.next()
        assert [e.service_name for e in last.events] == ["web"]
    with refused("FAILED_PRECONDITION", "RIGHTS_CHANGED"):  # what was hidden meanwhile is missing
        Watch(registry.stub, selectors=PROD, resume_after=last.header).next()


def test_an_open_watch_ends_when_its_part_becomes_another_one(server, ada, visitor):
    """`filtered` is true before and after. Other principals' grants end nothing."""
    registry, allow = visitor
    allow(grant("reader", ["prod"], ["billing"]))
    with Watch(registry.stub, selectors=[api_pb.Selector(environment="prod")]) as watch:
        assert watch.started().filtered
        server.access.add(f"other-{uuid.uuid4().hex[:8]}", grant("reader", ["prod"]))
        server.access_reloaded()
        ada.update("billing", '{"shown":5}')
        assert [e.service_name for e in watch.next().events] == ["billing"]
        allow(grant("reader", ["prod"], ["web"]))
        with refused("FAILED_PRECONDITION", "RIGHTS_CHANGED"):
            watch.next()
    with Watch(registry.stub, selectors=[api_pb.Selector(environment="prod")],
               include_snapshot=True) as watch:
        assert {c.service_name for c in watch.snapshot()[0]} == {"web"}


def position_of(registry, **request):
    with Watch(registry.stub, **request) as watch:
        return watch.started().header


@pytest.mark.parametrize("before, after", [(BILLING, WEB), (BILLING, ALL), (ALL, BILLING)],
                         ids=["another part", "more", "less"])
@pytest.mark.parametrize("form", ["header", "token"])
def test_rights_that_changed_while_a_client_was_away(ada, visitor, before, after, form):
    """It comes back with what its copy was made of, and is told to take a new snapshot."""
    registry, allow = visitor
    allow(before)
    header = position_of(registry, selectors=PROD)
    position = header if form == "header" else pb.Position(token=header.token)
    allow(after)
    with refused("FAILED_PRECONDITION", "RIGHTS_CHANGED"):
        Watch(registry.stub, selectors=PROD, resume_after=position).next()
    with Watch(registry.stub, selectors=PROD, include_snapshot=True) as watch:
        watch.snapshot()
        header = watch.position
    assert position_of(registry, selectors=PROD, resume_after=header).token == header.token


def test_rights_that_changed_nothing_of_a_selection(server, ada, visitor):
    """All of it before and after, by other grants; the same part, by another role; a position without
    rights, as of an answer or made by hand."""
    registry, allow = visitor
    billing = [api_pb.Selector(environment="prod", service_name="billing")]
    whole = position_of(registry, selectors=billing)
    allow(BILLING)
    part = position_of(registry, selectors=PROD, resume_after=ada.status().header)
    assert position_of(registry, selectors=billing, resume_after=whole).revision
    allow(grant("admin", ["prod"], ["billing"]), grant("auditor"))
    assert position_of(registry, selectors=PROD, resume_after=part).token == part.token


def test_an_open_watch_ends_when_nothing_is_left_to_see(visitor):
    registry, allow = visitor
    with Watch(registry.stub, selectors=[api_pb.Selector(environment="prod")]) as watch:
        watch.started()
        allow(grant("reader", ["test"]))
        with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
            watch.next()


def test_an_open_watch_ends_with_its_token(server, visitor):
    registry, allow = visitor
    with Watch(registry.stub) as watch:
        watch.started()
        server.access.revoke(allow.token)
        server.access_reloaded()
        with refused("UNAUTHENTICATED", "CREDENTIALS_INVALID"):
            watch.next()


def test_a_watch_ends_when_its_token_expires(server):
    server.access.content["principals"].append(
        {"name": "brief", "grants": [grant("reader")]})
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    token = server.access.add_token("brief", expires=soon)
    server.access_reloaded()
    with Watch(server.registry(token).stub) as watch:
        watch.started()
        with refused("UNAUTHENTICATED", "CREDENTIALS_EXPIRED"):
            watch.next()


def test_a_read_that_waits_is_asked_again(server, ada, visitor):
    """It waits for a revision; meanwhile its caller loses the right."""
    registry, allow = visitor
    wanted = ada.revision() + 1
    waiting = registry.stub.GetConfig.future(
        api_pb.GetConfigRequest(environment="prod", service_name="billing",
                                read=api_pb.ReadOptions(min_revision=wanted)), timeout=TIMEOUT)
    allow(grant("reader", ["test"]))
    ada.update("web", '{"the":"revision"}')
    with refused("PERMISSION_DENIED", "NOT_ALLOWED"):
        waiting.result()


def test_a_snapshot_is_cut_where_the_right_ends(server, ada, visitor):
    """The rights go while the client does not read: the message that is on its way has two configs.
    What was read from memory after these must not leave any more."""
    _, allow = visitor
    narrow = grpc.insecure_channel(server.listen, options=[*CHANNEL_OPTIONS,
                                                           ("grpc.http2.bdp_probe", 0)])
    registry = Registry(api_grpc.RegistryServiceStub(as_caller(narrow, allow.token)))
    large = json.dumps({"x": "y" * 500_000})
    for i in range(24):
        ada.create(f"large-{i:02}", large)
    with Watch(registry.stub, include_snapshot=True,
               selectors=[api_pb.Selector(service_name_prefix="large-")]) as watch:
        until(lambda: ada.status().watch_streams, "the watch is open")
        allow(grant("reader", ["prod"], ["large-23"]))
        configs = []
        with refused("FAILED_PRECONDITION", "RIGHTS_CHANGED"):
            while True:
                configs += watch.next().configs
        assert len(configs) <= 2
    narrow.close()


def test_a_change_of_the_file_ends_a_watch_without_a_signal(server):
    token = server.access.add("soon", grant("reader"))
    server.access_reloaded()
    with Watch(server.registry(token).stub) as watch:
        watch.started()
        server.access.revoke(token)
        with refused("UNAUTHENTICATED", "CREDENTIALS_INVALID"):
            watch.next()


@pytest.mark.parametrize("name", CALLERS)
def test_every_caller_can_ask_for_his_grants(site, name):
    told = site.registry(name).access()
    assert told.name == name and told.rights_in_force
    roles = [api_pb.AccessRole.Name(g.role).removeprefix("ACCESS_ROLE_").lower().replace("_", "-")
             for g in told.grants]
    assert [(role, list(g.environments), list(g.services))
            for role, g in zip(roles, told.grants, strict=True)] == [
        (role, *(patterns or [] for patterns in SCOPES[scope])) for role, scope in CALLERS[name]]


def test_every_listener_asks(launch, tmp_path):
    """Also a unix socket, and reflection; health is open."""
    socket = f"unix:{tmp_path}/socket"
    server = launch(Guarded)
    token = server.access.add("ada", grant("super-admin"))
    server.listen += f",{socket}"
    server.spawn()
    for address in server.listen.split(","):
        channel = tap(connect(address))
        grpc.channel_ready_future(channel).result(TIMEOUT)
        open_to_all = Registry(api_grpc.RegistryServiceStub(channel))
        for call in (open_to_all.status, open_to_all.list, lambda c=channel: reflected(c)):
            with refused("UNAUTHENTICATED", "CREDENTIALS_MISSING"):
                call()
        with Watch(open_to_all.stub) as watch, refused("UNAUTHENTICATED", "CREDENTIALS_MISSING"):
            watch.next()
        assert health_grpc.HealthStub(channel).Check(
            health_pb.HealthCheckRequest(), timeout=TIMEOUT).status == 1
        mine = as_caller(channel, token)
        assert Registry(api_grpc.RegistryServiceStub(mine)).revision() == 0
        assert "confreg.v1.RegistryService" in reflected(mine)


def reflected(channel):
    stub = reflection_grpc.ServerReflectionStub(channel)
    asked = reflection_pb.ServerReflectionRequest(list_services="")
    return str(next(iter(stub.ServerReflectionInfo(iter([asked]), timeout=TIMEOUT))))


# ---- The default ----

def test_without_an_access_file_everybody_may_everything(launch):
    registry = Registry(launch(Confregd, store="memory:").start().stub)
    registry.create("open")
    assert not registry.list().filtered and not registry.status().filtered
    with Watch(registry.stub) as watch:
        assert not watch.started().filtered


@pytest.mark.parametrize("role", ["reader", "admin", "super-admin"])
def test_anonymous_callers_have_the_anonymous_role(launch, role):
    registry = Registry(launch(Confregd, store="memory:",
                               extra=["--anonymous-role", role]).start().stub)
    answers = {"READ": outcome(registry.list), "WRITE": outcome(registry.create, "one"),
               "DELETE": outcome(registry.delete, "one", allow_missing=True)}
    assert {p for p, answer in answers.items() if not is_denied(answer)} == (
        ROLES[role] & set(answers))
