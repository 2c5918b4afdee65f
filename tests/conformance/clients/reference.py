#!/usr/bin/env python3
"""The contract of docs/clients.md in one file, on generated stubs: a client that keeps it, and wrong
ones, each of which breaks one rule.

    reference.py [--wrong RULE] ADDRESS[,ADDRESS…]"""

import argparse
import json
import os
import queue
import random
import sys
import threading
import time
import uuid
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lib"))

from stubs import api_pb, error_details_pb, pb, rpc_status_pb  # noqa: E402

FIRST_BOUND, MOST_BOUND = 0.2, 5.0
PROGRESS_S, SILENCE_S = 1, 4
SERVICE = "/confreg.v1.RegistryService/"
LOST = ("OUT_OF_RANGE", "FAILED_PRECONDITION")
WRONG = set()  # rules that this client breaks
RULES = {
    "first_address_only": "does not go on to the next address",
    "next_address_at_once": "does not wait before it goes to the next address",
    "ignores_rights": "does not look at `filtered`",
    "keeps_position_of_old_rights": "resumes after RIGHTS_CHANGED",
    "mixes_rights": "keeps a snapshot during which the rights have changed",
    "repeats_unknown_token": "resumes by a token that the server does not know",
    "always_at_once": "never waits after a position that is lost",
    "fixed_bound": "waits at random, but not longer from time to time",
    "forgets_token": "resumes by epoch, revision and hash, without the token",
    "forgets_position": "begins every stream with a snapshot",
    "position_too_early": "takes the position of a response before it has handled it",
    "position_too_late": "resumes one revision before the one that it has handled",
    "ignores_more": "tells the parts of a commit one by one",
    "ignores_previous_revision": "does not notice that a response is missing",
    "ignores_progress": "does not move its position on with progress marks",
    "no_wait": "calls again at once",
    "no_first_wait": "waits only from the second attempt on",
    "fixed_wait": "waits always as long",
    "ignores_retry_info": "calls before the time that the server has told",
    "compares_revisions": "tells what is equal, but has other revisions in another log",
    "keeps_what_is_gone": "does not tell what a new snapshot has no more",
    "tells_snapshots": "tells the whole state again after a new snapshot",
    "keeps_parts": "keeps the parts of a snapshot that was broken off",
    "trusts_unknown": "takes responses of unknown kinds for changes",
    "dies_of_unknown": "does not know kinds of changes that are new",
    "dies_of_garbage": "ends at the first error that is not UNAVAILABLE",
    "ends_with_the_stream": "takes a stream's end for that of the watch",
    "never_notices_silence": "waits for a silent server for ever",
    "second_stream": "opens a stream without ending the one before",
    "keeps_token": "reads the token once",
    "erased_is_deleted": "takes a config without payload for one that is gone",
    "rounds_numbers": "takes numbers for doubles",
    "no_deadline": "calls without a deadline",
    "new_request_ids": "repeats a write with another request id",
    "no_request_id": "writes without a request id",
    "repeats_refusals": "repeats writes that were refused",
    "repeats_nothing": "does not repeat calls",
    "hides_reasons": "does not tell the reason of an error",
    "does_not_end": "does not end with its standard input",
}


def say(event, config=None, **members):
    """A line; the data of the config as it has come."""
    data = data_of(config) if config is not None and config.config_data else "null"
    line = json.dumps({"event": event, **members})
    if "version" in members:
        line = f'{line[:-1]}, "data": {data}}}'
    sys.stdout.write(f"{line}\n")  # at once: threads must not mix their lines
    sys.stdout.flush()


def data_of(config):
    data = config.config_data.decode()
    return json.dumps(json.loads(data, parse_int=float)) if "rounds_numbers" in WRONG else data


class Unusable(Exception):
    """A stream that has to be given up."""

    def __init__(self, code, reason=""):
        super().__init__(code)
        self.code, self.reason, self.retry_s, self.field = code, reason, 0, ""


def failure_of(error):
    """Code, reason, field and RetryInfo of an RpcError."""
    failure = Unusable(error.code().name)
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for packed in rpc_status_pb.Status.FromString(value).details:
                info, retry = error_details_pb.ErrorInfo(), error_details_pb.RetryInfo()
                request = error_details_pb.BadRequest()
                if packed.Unpack(info) and "hides_reasons" not in WRONG:
                    failure.reason = info.reason
                elif packed.Unpack(retry) and "ignores_retry_info" not in WRONG:
                    failure.retry_s = retry.retry_delay.ToMilliseconds() / 1000
                elif packed.Unpack(request):
                    failure.field = request.field_violations[0].field
    return failure


class Backoff:
    """Full jitter, before the first attempt, too."""

    def __init__(self):
        self.bound = FIRST_BOUND

    def next(self, least):
        bound, self.bound = self.bound, min(self.bound * 2, MOST_BOUND)
        if "fixed_bound" in WRONG:
            self.bound = FIRST_BOUND
        if "no_wait" in WRONG or ("no_first_wait" in WRONG and bound == FIRST_BOUND):
            return least
        if "fixed_wait" in WRONG:
            return least + 0.1
        return least + random.uniform(0, bound)

    def reset(self):
        self.bound = FIRST_BOUND


class Server:
    """A channel an address, of which the first is in use, and the token."""

    def __init__(self, addresses):
        ca, self.token_file = (os.environ.get(f"CONFORMANCE_{name}_FILE") for name in ("CA", "TOKEN"))
        options = [("grpc.enable_retries", 0), ("grpc.max_receive_message_length", 16 << 20)]
        self.channels = [
            grpc.insecure_channel(address, options) if ca is None else
            grpc.secure_channel(address, grpc.ssl_channel_credentials(Path(ca).read_bytes()), options)
            for address in addresses]
        self.lock = threading.Lock()
        self.token = None

    def failed(self, channel):
        """The server is away at this address: the next one is in use from now on, if nobody else has
        seen to that."""
        with self.lock:
            if channel is self.channels[0] and "first_address_only" not in WRONG:
                self.channels.append(self.channels.pop(0))

    def metadata(self):
        if self.token_file and (self.token is None or "keeps_token" not in WRONG):
            self.token = Path(self.token_file).read_text().strip()
        return [("authorization", f"Bearer {self.token}")] if self.token else []

    def watch(self, channel, request):
        call = channel.unary_stream(
            f"{SERVICE}Watch", request_serializer=api_pb.WatchRequest.SerializeToString,
            response_deserializer=lambda data: data)
        return call(request, metadata=self.metadata())

    def call(self, channel, method, request, seconds):
        call = channel.unary_unary(
            f"{SERVICE}{method}", request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=getattr(api_pb, f"{method}Response").FromString)
        return call(request, metadata=self.metadata(), timeout=seconds)


class Copy:
    """What is known, the position that it is as of, and what a stream has brought beyond."""

    def __init__(self):
        self.epoch = ""  # of configs
        self.configs = None  # (environment, service) to config; None: there was no snapshot
        self.position = None
        self.parts, self.events, self.delivered = {}, [], 0
        self.at_once = False  # the stream was opened without a wait
        self.filtered = None  # as of the copy, or of the snapshot that comes; None: not known

    def request(self):
        """The request of the next stream."""
        if "keeps_parts" not in WRONG:
            self.parts = {}
        self.events, self.delivered = [], 0
        request = api_pb.WatchRequest(selectors=[api_pb.Selector(environment="prod")])
        request.progress_interval.FromSeconds(PROGRESS_S)
        if self.position is None or "forgets_position" in WRONG:
            request.include_snapshot = True
            self.filtered = None
        elif "position_too_late" in WRONG:
            request.start_revision, request.epoch = self.position.revision, self.position.epoch
        else:
            request.resume_after.CopyFrom(self.position)
            if "forgets_token" in WRONG:
                request.resume_after.token = ""
        return request

    @staticmethod
    def is_useless(failure):
        """Whether the server will never take the position."""
        return failure.code in LOST or (
            failure.field.startswith("resume_after") and "repeats_unknown_token" not in WRONG)

    def lost(self, failure):
        """Whether the next stream is to be opened at once, with a snapshot."""
        is_lost = self.is_useless(failure) and self.position is not None and not (
            failure.reason == "RIGHTS_CHANGED" and "keeps_position_of_old_rights" in WRONG)
        if is_lost:
            self.position = None
        self.at_once = is_lost and (not self.at_once or "always_at_once" in WRONG)
        return self.at_once

    def take(self, response):
        """Whether the stream has got somewhere, so that it counts as a success."""
        if (response.previous_revision != self.delivered
                and "ignores_previous_revision" not in WRONG):
            raise Unusable("OUT_OF_RANGE", "MESSAGE_MISSED")
        kind = response.kind
        self.check_rights(response)
        if "position_too_early" in WRONG and response.header.revision:
            self.position = response.header
            if response.events:
                self.position.revision = response.events[-1].revision
                self.position.chain_hash, self.position.token = 0, ""
        if kind == api_pb.WATCH_RESPONSE_KIND_SNAPSHOT:
            self.parts.update({(c.environment, c.service_name): c for c in response.configs})
        elif kind == api_pb.WATCH_RESPONSE_KIND_SNAPSHOT_END:
            self.delivered = response.header.revision
            self.replace(response.header)
        elif kind == api_pb.WATCH_RESPONSE_KIND_EVENTS or (
                "trusts_unknown" in WRONG and kind > api_pb.WATCH_RESPONSE_KIND_PROGRESS):
            self.take_events(response)
        if response.header.revision and not response.more and not (
                "ignores_progress" in WRONG and kind == api_pb.WATCH_RESPONSE_KIND_PROGRESS):
            self.position = response.header
        return kind != api_pb.WATCH_RESPONSE_KIND_STARTED

    def check_rights(self, response):
        is_part = response.kind in (api_pb.WATCH_RESPONSE_KIND_SNAPSHOT,
                                    api_pb.WATCH_RESPONSE_KIND_SNAPSHOT_END)
        if self.filtered is None or "ignores_rights" in WRONG or (
                is_part and "mixes_rights" in WRONG):
            self.filtered = response.filtered
        if response.filtered != self.filtered:
            raise Unusable("FAILED_PRECONDITION", "RIGHTS_CHANGED")

    def take_events(self, response):
        events = list(response.events) or [
            pb.Event(environment=c.environment, service_name=c.service_name, config=c)
            for c in response.configs]
        for event in events:
            if event.HasField("config") and event.config.config_data:
                try:
                    json.loads(event.config.config_data)
                except ValueError:
                    raise Unusable("DATA_LOSS", "PAYLOAD_MALFORMED") from None
        self.events += events
        self.delivered = self.events[-1].revision or self.delivered
        if response.more and "ignores_more" not in WRONG:
            return
        for event in self.events:
            self.apply(event)
        self.events = []

    def apply(self, event):
        name = event.environment, event.service_name
        config = event.config if event.HasField("config") else None
        if "erased_is_deleted" in WRONG and config is not None and not config.config_data:
            config = None
        if config is not None:
            self.configs[name] = config
        elif event.head_version == 0:
            self.configs.pop(name, None)
        tell_change(name, event.kind, config, event.revision, False)

    def replace(self, header):
        """A snapshot is complete."""
        before, self.configs, self.parts = self.configs, self.parts, {}
        same_log, self.epoch = self.epoch == header.epoch, header.epoch
        if before is None or "tells_snapshots" in WRONG:
            for (environment, service), config in self.configs.items():
                say("snapshot", config, environment=environment, service=service,
                    version=config.version)
            say("ready")
            self.configs = dict(self.configs)
            return
        for name, config in self.configs.items():
            if "compares_revisions" in WRONG or same_log:
                is_same = before.get(name) == config
            else:
                is_same = name in before and values(before[name]) == values(config)
            if not is_same:
                tell_change(name, config.kind, config, header.revision, True)
        for name in before.keys() - self.configs.keys():
            if "keeps_what_is_gone" not in WRONG:
                tell_change(name, pb.CHANGE_KIND_DELETE, None, header.revision, True)


def values(config):
    """What of a config can be compared between two logs."""
    return config.payload_state, config.config_data


def tell_change(name, kind, config, revision, synthetic):
    known = {number: text[12:].lower() for text, number in pb.ChangeKind.items()}
    kind = known[kind] if "dies_of_unknown" in WRONG else known.get(kind, "unknown")
    say("change", config, kind=kind, environment=name[0], service=name[1], revision=revision,
        synthetic=synthetic, version=config.version if config else 0)


class Watch:
    """The loop."""

    def __init__(self, server):
        self.server, self.copy, self.backoff = server, Copy(), Backoff()

    def run(self):
        while True:
            channel = self.server.channels[0]
            try:
                self.follow(channel)
                failure = Unusable("UNAVAILABLE")
                if "ends_with_the_stream" in WRONG:
                    return
            except grpc.RpcError as error:
                failure = failure_of(error)
            except Unusable as unusable:
                failure = unusable
            say("interrupted", code=failure.code, reason=failure.reason)
            if "dies_of_garbage" in WRONG and failure.code not in ("UNAVAILABLE", *LOST):
                return
            if failure.code == "UNAVAILABLE":
                self.server.failed(channel)
            at_once = self.copy.lost(failure) or (
                "next_address_at_once" in WRONG and self.server.channels[0] is not channel)
            if not at_once:
                time.sleep(self.backoff.next(failure.retry_s))

    def follow(self, channel):
        """One stream."""
        call = self.server.watch(channel, self.copy.request())
        responses = queue.Queue()
        threading.Thread(target=self.receive, args=(call, responses), daemon=True).start()
        try:
            while True:
                item = responses.get(timeout=None if "never_notices_silence" in WRONG else SILENCE_S)
                if item is None or isinstance(item, Exception):
                    if item is not None:
                        raise item
                    return
                if self.copy.take(item):
                    self.backoff.reset()
        except queue.Empty:
            raise Unusable("UNAVAILABLE", "SILENT") from None
        finally:
            if "second_stream" not in WRONG:
                call.cancel()

    @staticmethod
    def receive(call, responses):
        try:
            for data in call:
                responses.put(api_pb.WatchResponse.FromString(data))
            responses.put(None)
        except grpc.RpcError as error:
            responses.put(error)
        except Exception:  # of protobuf: no message
            responses.put(Unusable("INTERNAL", "MALFORMED_MESSAGE"))


def request_of(command):
    name = {"environment": command["environment"], "service_name": command["service"]}
    if command["do"] == "get":
        return "GetConfig", api_pb.GetConfigRequest(**name)
    return "UpdateConfig", api_pb.UpdateConfigRequest(
        **name, config_data=json.dumps(command["data"]).encode(),
        request_id="" if "no_request_id" in WRONG else uuid.uuid4().hex)


def obey(server, command):
    """Makes a call and tells its outcome."""
    method, request = request_of(command)
    deadline = time.monotonic() + command.get("deadline_ms", 10_000) / 1000
    backoff = Backoff()
    while True:
        channel = server.channels[0]
        try:
            config = server.call(channel, method, request, None if "no_deadline" in WRONG
                                 else deadline - time.monotonic()).config
            return say("result", config, environment=config.environment,
                       service=config.service_name, version=config.version)
        except grpc.RpcError as error:
            failure = failure_of(error)
        if failure.code == "UNAVAILABLE":
            server.failed(channel)
        wait = backoff.next(failure.retry_s)
        again = failure.code == "UNAVAILABLE" or "repeats_refusals" in WRONG
        if not again or "repeats_nothing" in WRONG or time.monotonic() + wait > deadline:
            return say("failed", code=failure.code, reason=failure.reason)
        if "new_request_ids" in WRONG and method == "UpdateConfig":
            request.request_id = uuid.uuid4().hex
        time.sleep(wait)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wrong", choices=RULES)
    parser.add_argument("addresses", help="HOST:PORT, or several with commas")
    given = parser.parse_args()
    WRONG.update({given.wrong} - {None})
    server = Server(given.addresses.split(","))
    threading.Thread(target=Watch(server).run, daemon=True).start()
    for line in sys.stdin:
        threading.Thread(target=obey, args=(server, json.loads(line)), daemon=True).start()
    if "does_not_end" in WRONG:
        threading.Event().wait()


if __name__ == "__main__":
    main()
