"""The conformance program: the clients of this tree under it, wrong ones that it has to notice, and its
scripted server beside confregd."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from daemon import BUILD, ROOT, TOOLS, Confregd
from errors import Refusal
from stubs import api_pb, pb

sys.path.insert(0, str(ROOT / "tests/conformance"))

from registry import MAX_PART, Registry  # noqa: E402

pytestmark = [pytest.mark.own_store, pytest.mark.own_checks]

PROGRAM = ROOT / "tests/conformance/run"
CLIENTS = ROOT / "tests/conformance/clients"
PACKAGE = [TOOLS.parent / "python-package/bin/python", CLIENTS / "python_package.py"]

# What starts each client; {address} is the server's.
COMMANDS = {
    "reference": [sys.executable, CLIENTS / "reference.py", "{address}"],
    "python": [*PACKAGE, "{address}"],
    "c": [BUILD / "tests/library_conformance", "{address}"],
    "python_asyncio": [*PACKAGE, "--asyncio", "{address}"],
    "go": [TOOLS / "confreg-go-conformance", "{address}"],
    "node": [TOOLS / "node", TOOLS.parent / "node-package/installed/test/built/conformance.js",
             "{address}"],
}

# Each rule that the reference client can break, a scenario that is about it, and what that says.
WRONG = {
    "first_address_only": ("address_away", "the client has told no change"),
    "next_address_at_once": ("address_turns_away", "has waited 0."),
    "ignores_rights": ("rights_taken", "the client has told no change"),
    "keeps_position_of_old_rights": ("rights_changed", "the client has told no change"),
    "mixes_rights": ("rights_taken_within_snapshot", "the client has found"),
    "repeats_unknown_token": ("token_unknown", "'synthetic': False"),
    "always_at_once": ("every_position_lost", "has waited 0."),
    "fixed_bound": ("away_for_long", "the client has come 26 times"),
    "forgets_token": ("other_rights_meanwhile", "the client has told no change"),
    "forgets_position": ("progress", "begins with a snapshot, where it had a position"),
    "position_too_early": ("commit_broken_off", "resumes after revision 3, not 2"),
    "position_too_late": ("stream_ended", "resumes after revision 1, not 2"),
    "ignores_more": ("commit_broken_off", "the client has told"),
    "ignores_previous_revision": ("response_missing", "'synthetic': False"),
    "ignores_progress": ("progress", "resumes after revision 2, not 5"),
    "no_wait": ("unavailable", "has waited 0."),
    "no_first_wait": ("streams_reset", "has waited 0."),
    "fixed_wait": ("streams_reset", "the waits are not random"),
    "ignores_retry_info": ("told_when", "1.5 s were told"),
    "compares_revisions": ("another_epoch", "'service': 'mail'"),
    "keeps_what_is_gone": ("compacted", "the client has told no change"),
    "tells_snapshots": ("compacted", "'event': 'snapshot'"),
    "keeps_parts": ("snapshot_broken_off", "the client has found"),
    "trusts_unknown": ("unknown", "'service': 'ghost'"),
    "dies_of_unknown": ("unknown", "the client has told no change"),
    "dies_of_garbage": ("garbage_message", "the client has told no change"),
    "ends_with_the_stream": ("stream_ended", "not: the watch is opened 2 times"),
    "never_notices_silence": ("silent", "not: the watch is opened 2 times"),
    "second_stream": ("garbage_message", "not: one stream is open and no other"),
    "keeps_token": ("token_replaced", "the client has told no snapshot or ready"),
    "erased_is_deleted": ("erased", "the client has told"),
    "rounds_numbers": ("numbers", "9007199254740992.0"),
    "no_deadline": ("read", "the deadline of the call is"),
    "new_request_ids": ("outcome_unknown", "different request ids"),
    "no_request_id": ("write", "the write has no request id"),
    "repeats_refusals": ("conflict", "failed was due"),
    "repeats_nothing": ("read_again", "'event': 'failed'"),
    "hides_reasons": ("permission_denied", "not PERMISSION_DENIED NOT_ALLOWED"),
    "does_not_end": ("changes", "has not ended within"),
}
# A machine that is busy can make waits of what are none.
BY_TIME = {"no_wait", "no_first_wait", "fixed_wait", "fixed_bound", "next_address_at_once",
           "always_at_once"}


def play(command, *options, patience=60):
    """patience: for clients that keep the contract it is so long that a busy machine does not matter."""
    return subprocess.run(
        [sys.executable, PROGRAM, *options, "--", *command], text=True, capture_output=True,
        check=False, timeout=900, env={**os.environ, "CONFORMANCE_PATIENCE": str(patience)})


@pytest.fixture(scope="module")
def runs(request):
    """A run for each client that is to be tested: two at a time, as they wait more than they work."""
    clients = [item.callspec.params["client"] for item in request.session.items
               if item.path == request.path and hasattr(item, "callspec")]
    with ThreadPoolExecutor(2) as pool:
        yield {client: pool.submit(play, COMMANDS[client]) for client in clients}


@pytest.mark.parametrize("client", COMMANDS)
def test_a_client_keeps_the_contract(runs, client):
    played = runs[client].result()
    assert played.returncode == 0, played.stdout + played.stderr


def notices(rule):
    """None, or what the program has said of a client that breaks the rule."""
    scenario, said = WRONG[rule]
    command = [*COMMANDS["reference"], "--wrong", rule]
    for _ in range(10 if rule in BY_TIME else 1):
        played = play(command, "--only", scenario, patience=6)
        if played.returncode == 1 and said in played.stdout:
            return None
    return f"{rule}: {played.stdout}{played.stderr}"


def test_wrong_clients_are_noticed():
    """Those whose waits are wrong go one at a time: a busy machine makes every wait a random one."""
    with ThreadPoolExecutor(6) as pool:
        assert [said for said in pool.map(notices, WRONG.keys() - BY_TIME) if said] == []
    assert [said for said in map(notices, BY_TIME) if said] == []


def test_every_rule_is_broken_once():
    told = subprocess.run([*COMMANDS["reference"][:-1], "--help"], text=True, capture_output=True,
                          check=True)
    assert all(rule in told.stdout for rule in WRONG)
    assert told.stdout.partition("{")[2].partition("}")[0].count(",") == len(WRONG) - 1


def test_what_cannot_be_played_is_refused():
    for arguments, said in ((["true"], "no argument with {address}"),
                            (["--only", "nothing", "--", "true", "{address}"], "no scenario nothing")):
        refused = subprocess.run([sys.executable, PROGRAM, *arguments], text=True,
                                 capture_output=True, check=False)
        assert refused.returncode == 2 and said in refused.stderr
    broken = play(["false", "{address}"], "--only", "changes")
    assert broken.returncode == 1 and "FAIL  changes" in broken.stdout


# ---- The scripted server and confregd ----

HISTORY = [
    {"billing": '{"pool":10}'}, {"mail": '{"host":"a"}'}, {"billing": '{"pool":20}', "mail": None},
    {"mail": '{"host":"b"}'},
    {"billing": f'{{"fill":"{"x" * (MAX_PART - 300_000)}"}}',
     "mail": f'{{"fill":"{"y" * (MAX_PART - 300_000)}"}}', "search": '{"shards":1}'},
    {"billing": '{"pool":30}'},
]


def write(stub, registry, changes):
    """Makes the same commit in both."""
    parts = []
    for service, data in changes.items():
        name = {"environment": "prod", "service_name": service}
        parts.append(
            api_pb.Write(delete=api_pb.DeleteConfigRequest(**name)) if data is None else
            api_pb.Write(update=api_pb.UpdateConfigRequest(
                **name, config_data=data.encode(), allow_missing=True)))
    stub.CommitChanges(api_pb.CommitChangesRequest(changes=parts))
    registry.commit(changes)


def watches(epoch, last):
    """Requests of a watch on a log of this epoch and so many revisions."""
    def request(**members):
        made = api_pb.WatchRequest(selectors=[api_pb.Selector(environment="prod")], **members)
        made.progress_interval.FromMilliseconds(100)
        return made

    yield request()
    yield request(include_snapshot=True)
    for revision in range(last + 1):
        yield request(start_revision=revision + 1, epoch=epoch)
    yield request(start_revision=last, epoch="0" * 16)
    yield request(resume_after=pb.Position(epoch=epoch, revision=last, chain_hash=1))


def facts(responses):
    """What of a stream does not depend on clock, hashes, and how much comes in one response."""
    first, configs, events, split = responses[0], [], [], []
    delivered = 0
    for response in responses:
        assert response.previous_revision == delivered
        configs += [(c.service_name, c.version, c.kind, c.revision, c.mod_revision, c.config_data)
                    for c in response.configs]
        events += [(e.service_name, e.kind, e.version, e.head_version, e.previous_version, e.revision,
                    e.index, e.HasField("config"), e.config.version, e.config.config_data)
                   for e in response.events]
        if response.events:
            delivered = response.events[-1].revision
            assert (response.header.revision == delivered - 1 if response.more
                    else response.header.revision >= delivered)
            split += [delivered] * response.more
        elif response.kind == api_pb.WATCH_RESPONSE_KIND_SNAPSHOT_END:
            delivered = response.header.revision
        if response.kind == api_pb.WATCH_RESPONSE_KIND_SNAPSHOT:
            assert response.header.revision == 0
    return (first.kind, first.header.revision, delivered, responses[-1].header.revision,
            sorted(configs), events, split)


def real_answer(stub, request):
    told, call = [], stub.Watch(request)
    try:
        for response in call:
            if response.kind == api_pb.WATCH_RESPONSE_KIND_PROGRESS:
                break
            told.append(response)
    except grpc.RpcError as error:
        refused = Refusal(error)
        return refused.code, refused.reason, refused.info
    finally:
        call.cancel()
    return facts(told)


def scripted_answer(registry, request):
    return registry.refusal(request) or facts(registry.first_responses(request))


def assert_equal(stub, registry):
    for request in watches(registry.epoch, registry.revision):
        assert scripted_answer(registry, request) == real_answer(stub, request), request


def test_the_scripted_server_answers_as_confregd(launch):
    stub = launch(Confregd).start().stub
    registry = Registry(stub.GetStatus(api_pb.GetStatusRequest()).header.epoch)
    for changes in HISTORY:
        write(stub, registry, changes)
        assert stub.GetStatus(api_pb.GetStatusRequest()).header.revision == registry.revision
    assert_equal(stub, registry)
    stub.Compact(api_pb.CompactRequest(revision=4))
    registry.compact(4)
    assert_equal(stub, registry)
