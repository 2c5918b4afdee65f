#!/usr/bin/env python3
"""The Python package under the conformance program: python_package.py [--asyncio] ADDRESS"""

import argparse
import asyncio
import json
import os
import sys
import threading

import confreg
from confreg import _json

SELECTOR = confreg.Selector(environment="prod")


def say(event, **members):
    sys.stdout.write(_json.dumps({"event": event, **members}).decode() + "\n")
    sys.stdout.flush()


def credentials():
    return confreg.Credentials(ca_file=os.environ.get("CONFORMANCE_CA_FILE"),
                               token_file=os.environ.get("CONFORMANCE_TOKEN_FILE"))


def facts(config):
    return {"environment": config.environment, "service": config.service_name,
            "version": config.version, "data": config.data}


def tell(update):
    for change in update.changes:
        if update.first:
            say("snapshot", **facts(change.config))
            continue
        told = facts(change.config) if change.config else {
            "environment": change.environment, "service": change.service_name, "data": None}
        say("change", kind=change.kind, revision=change.revision, synthetic=update.synthetic, **told)
    if update.first:
        say("ready")


def tell_interruption(error):
    say("interrupted", code=error.code, reason=error.reason)


def tell_failure(error):
    say("failed", code=error.code, reason=error.reason)


def seconds(command):
    return command.get("deadline_ms", 10_000) / 1000


def write_of(command):
    return confreg.Update(command["service"], command["environment"], data=command["data"])


def follow(address):
    with confreg.Client(address, credentials(), decimals=True) as client:
        for update in client.watch(SELECTOR, on_failure=tell_interruption):
            tell(update)


def obey(address, command):
    with confreg.Client(address, credentials(), decimals=True, timeout=seconds(command)) as client:
        try:
            if command["do"] == "get":
                config = client.get(command["service"], command["environment"])
            else:
                config = client.write(write_of(command)).config
            say("result", **facts(config))
        except confreg.ConfregError as error:
            tell_failure(error)


def run(address):
    threading.Thread(target=follow, args=(address,), daemon=True).start()
    for line in sys.stdin:
        obey(address, json.loads(line))


async def follow_in_a_loop(address):
    async with confreg.AsyncClient(address, credentials(), decimals=True) as client:
        async for update in client.watch(SELECTOR, on_failure=tell_interruption):
            tell(update)


async def obey_in_a_loop(address, command):
    async with confreg.AsyncClient(address, credentials(), decimals=True,
                                   timeout=seconds(command)) as client:
        try:
            if command["do"] == "get":
                config = await client.get(command["service"], command["environment"])
            else:
                config = (await client.write(write_of(command))).config
            say("result", **facts(config))
        except confreg.ConfregError as error:
            tell_failure(error)


async def run_in_a_loop(address):
    watch = asyncio.ensure_future(follow_in_a_loop(address))
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        await obey_in_a_loop(address, json.loads(line))
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--asyncio", action="store_true")
    parser.add_argument("address")
    given = parser.parse_args()
    if given.asyncio:
        asyncio.run(run_in_a_loop(given.address))
    else:
        run(given.address)


if __name__ == "__main__":
    main()
