"""The state machine of a watch, fed with responses by hand."""

import pytest

from confreg import _api, errors
from confreg._follow import (
    EVENTS,
    SNAPSHOT,
    SNAPSHOT_END,
    STARTED,
    DamagedError,
    Follower,
    MessageMissedError,
    Selector,
    decode,
)

PROGRESS, UPDATE, DELETE = 5, 2, 4


def follower(**options):
    return Follower([Selector("prod")], False, options.get("latest_only", False), False, None)


def config(service, n, revision):
    return _api.new("Config", environment="prod", service_name=service, version=n + 1, kind=UPDATE,
                    revision=revision, mod_revision=revision, config_data=b'{"n":%d}' % n)


def response(kind, revision, before=0, more=False, epoch="e", **members):
    return _api.new("WatchResponse", kind=kind, previous_revision=before, more=more, header=_api.new(
        "Position", epoch=epoch, revision=revision, token=f"{epoch}-{revision}"), **members)


def snapshot(watch, revision, *configs):
    watch.request()  # a new stream
    assert watch.feed(response(SNAPSHOT, 0, configs=configs)) is None
    return watch.feed(response(SNAPSHOT_END, revision))


def event(service, n, revision):
    if n is None:
        return _api.new("Event", environment="prod", service_name=service, kind=DELETE,
                        revision=revision)
    return _api.new("Event", environment="prod", service_name=service, kind=UPDATE, version=n + 1,
                    head_version=n + 1, revision=revision, config=config(service, n, revision))


def told(update):
    return [(c.kind, c.service_name, c.config and c.config.data["n"]) for c in update.changes]


def test_the_first_state():
    watch = follower()
    update = snapshot(watch, 3, config("b", 2, 3), config("a", 1, 2))
    assert update.first and not update.synthetic and update.position.revision == 3
    assert told(update) == [("update", "a", 1), ("update", "b", 2)]
    assert snapshot(follower(), 3).changes == (), "nothing is a state, too"


def test_a_stream_resumes_after_what_was_handled():
    watch = follower()
    assert watch.request().include_snapshot
    snapshot(watch, 3, config("a", 1, 2))
    watch.feed(response(EVENTS, 5, before=3, events=[event("a", 2, 5)]))
    watch.feed(response(PROGRESS, 9, before=5))
    request = watch.request()
    assert not request.include_snapshot and request.resume_after.revision == 9


def test_a_commit_in_parts_is_told_whole():
    watch = follower()
    snapshot(watch, 3)
    assert watch.feed(response(EVENTS, 3, before=3, more=True, events=[event("a", 1, 4)])) is None
    assert watch.request().resume_after.revision == 3, "a part is not handled"
    assert watch.feed(response(EVENTS, 3, more=True, events=[event("a", 1, 4)])) is None
    update = watch.feed(response(EVENTS, 4, before=4, events=[event("b", 1, 4)]))
    assert told(update) == [("update", "a", 1), ("update", "b", 1)]


def test_a_missing_response_is_noticed():
    watch = follower()
    snapshot(watch, 3)
    with pytest.raises(MessageMissedError) as missed:
        watch.feed(response(EVENTS, 9, before=7, events=[event("a", 1, 9)]))
    assert watch.lost(missed.value) and watch.request().include_snapshot


@pytest.mark.parametrize("error", [errors.OutOfRangeError("", "OUT_OF_RANGE", "COMPACTED"),
                                   errors.FailedPreconditionError("", reason="EPOCH_MISMATCH")])
def test_a_lost_position_is_bridged_by_comparing(error):
    watch = follower()
    snapshot(watch, 3, config("same", 1, 2), config("old", 1, 3), config("gone", 1, 3))
    assert watch.lost(error)
    assert not watch.lost(error), "a snapshot that is refused is tried again with a wait"
    update = snapshot(watch, 20, config("same", 1, 2), config("old", 5, 9), config("new", 1, 9))
    assert update.synthetic and not update.first
    assert sorted(told(update)) == [("delete", "gone", None), ("update", "new", 1),
                                    ("update", "old", 5)]
    watch.lost(error)
    assert snapshot(watch, 21, config("same", 1, 2), config("old", 5, 9),
                    config("new", 1, 9)) is None, "nothing has changed"


def test_a_server_that_takes_away_every_position_is_not_overrun():
    watch = follower()
    error = errors.OutOfRangeError("", "OUT_OF_RANGE", "COMPACTED")
    at_once = []
    for revision in (3, 4, 5):
        snapshot(watch, revision)
        at_once.append(watch.lost(error))
        assert watch.request().include_snapshot
    assert at_once == [True, False, True]


def test_a_snapshot_during_which_the_rights_change_is_not_told():
    watch = follower()
    watch.request()
    assert watch.feed(response(SNAPSHOT, 0, configs=[config("a", 1, 2)])) is None
    with pytest.raises(errors.FailedPreconditionError) as changed:
        watch.feed(response(SNAPSHOT_END, 3, filtered=True))
    assert changed.value.reason == "RIGHTS_CHANGED"
    assert not watch.lost(changed.value), "a snapshot that is of no use is tried again with a wait"
    update = snapshot(watch, 3, config("b", 1, 2))
    assert update.first and told(update) == [("update", "b", 1)]
    with pytest.raises(errors.FailedPreconditionError) as changed:
        watch.feed(response(PROGRESS, 4, before=3, filtered=True))
    assert watch.lost(changed.value) and watch.request().include_snapshot


def delivered(kind, n):
    """previous_revision of the n-th part of a snapshot, or of commit 4 on a new stream."""
    return 4 if kind == EVENTS and n else 0


@pytest.mark.parametrize("kind", [SNAPSHOT, EVENTS])
def test_what_never_ends_is_not_kept(kind):
    watch = Follower([Selector("prod")], False, False, False, None, max_bytes=50_000)
    snapshot(watch, 3, config("a", 1, 2))
    if kind == SNAPSHOT:
        watch.lost(errors.OutOfRangeError(""))
    watch.request()
    part = {"configs": [config("b", 1, 2)]} if kind == SNAPSHOT else {"events": [event("b", 1, 4)]}
    for _ in range(2):  # nothing is left of the first time
        for n in range(30):
            watch.feed(response(kind, 0, before=delivered(kind, n), more=kind == EVENTS, **part))
        with pytest.raises(errors.ResourceExhaustedError) as refused:
            for n in range(30, 100):
                watch.feed(response(kind, 0, before=delivered(kind, n), more=kind == EVENTS, **part))
        assert refused.value.reason == "WATCH_TOO_LARGE" and refused.value.retry_after > 0
        assert not watch.lost(refused.value)
        assert watch.request().include_snapshot == (kind == SNAPSHOT)
    if kind == EVENTS:
        update = watch.feed(response(EVENTS, 5, events=[event("a", 2, 5)]))
        assert told(update) == [("update", "a", 2)], "the position is that before"


def test_a_commit_in_one_part_counts():
    watch = Follower([Selector("prod")], False, False, False, None, max_bytes=50_000)
    snapshot(watch, 3)
    with pytest.raises(errors.ResourceExhaustedError):
        watch.feed(response(EVENTS, 4, before=3, events=[event("a", None, 4)] * 50))


def test_commits_within_a_snapshot_are_damage():
    """They would have ended what an unfinished snapshot counts."""
    watch = follower()
    watch.request()
    watch.feed(response(SNAPSHOT, 0, configs=[config("a", 1, 2)]))
    with pytest.raises(DamagedError):
        watch.feed(response(EVENTS, 3, events=[event("b", 1, 3)]))
    snapshot(watch, 3)
    with pytest.raises(DamagedError):
        watch.feed(response(SNAPSHOT, 0, before=3, configs=[config("a", 1, 2)]))


def test_within_a_snapshot_there_is_no_position():
    watch = follower()
    watch.request()
    watch.feed(response(STARTED, 3))
    watch.feed(response(SNAPSHOT, 3, configs=[config("a", 1, 2)]))
    watch.feed(response(PROGRESS, 4))
    assert watch.request().include_snapshot


def test_json_that_nests_deeper_than_the_stack_is_damaged():
    watch = follower()
    watch.request()
    deep = config("a", 1, 2)
    deep.config_data = b'{"a":' + 100_000 * b"[" + 100_000 * b"]" + b"}"
    with pytest.raises(DamagedError, match="too deep"):
        watch.feed(response(SNAPSHOT, 0, configs=[deep]))


@pytest.mark.parametrize("said, wait", [(3600, 3600), (25 * 3600, 0), (1 << 40, 0), (-1, 0)])
def test_a_wait_that_nobody_can_mean_is_not_believed(said, wait):
    retry = _api.message_class("google.rpc.RetryInfo")()
    retry.retry_delay.seconds = said
    status = _api.message_class("google.rpc.Status")(code=14)
    status.details.add().Pack(retry)
    assert errors.of_status(status).retry_after == wait


def test_other_failures_keep_the_position():
    watch = follower()
    snapshot(watch, 3)
    assert not watch.lost(errors.UnavailableError("", "UNAVAILABLE"))
    assert watch.request().resume_after.revision == 3


def test_a_change_that_does_not_touch_the_head_leaves_the_copy():
    watch = follower()
    snapshot(watch, 3, config("a", 1, 2))
    erased = _api.new("Event", environment="prod", service_name="a", kind=DELETE, version=1,
                      head_version=2, revision=4)
    update = watch.feed(response(EVENTS, 4, before=3, events=[erased]))
    assert not update.changes[0].touches_head
    watch.lost(errors.OutOfRangeError(""))
    assert snapshot(watch, 5, config("a", 1, 2)) is None


def test_a_newer_server_may_send_what_is_unknown():
    watch = follower()
    snapshot(watch, 3)
    assert watch.feed(response(99, 8, before=3)) is None
    unknown = event("a", 1, 9)
    unknown.kind = 77
    assert told(watch.feed(response(EVENTS, 9, before=3, events=[unknown]))) == [("unknown", "a", 1)]


def test_what_no_server_sends_is_an_error_and_changes_nothing():
    watch = follower()
    snapshot(watch, 3)
    damaged = event("a", 1, 4)
    damaged.config.config_data = b'{"n"'
    with pytest.raises(DamagedError):
        watch.feed(response(EVENTS, 4, before=3, events=[event("b", 1, 4), damaged]))
    with pytest.raises(DamagedError):
        decode(b"\xff\xff")
    request = watch.request()
    assert request.resume_after.revision == 3
    update = watch.feed(response(EVENTS, 4, events=[event("a", 1, 4)]))
    assert told(update) == [("update", "a", 1)], "nothing is left of the damaged response"


def test_a_stream_that_was_only_established_is_no_success():
    assert not Follower.has_succeeded(response(STARTED, 3))
    assert all(Follower.has_succeeded(response(kind, 3)) for kind in (SNAPSHOT, EVENTS, PROGRESS))
