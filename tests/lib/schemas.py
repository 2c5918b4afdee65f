"""Validates values by build/tests/schema_lines, a program on the library in schema/."""

import contextlib
import json
import subprocess

DRAFTS = {"draft7": "http://json-schema.org/draft-07/schema#",
          "draft2020-12": "https://json-schema.org/draft/2020-12/schema"}


class Lines:
    def __init__(self, process):
        self.process = process

    def ask(self, text):
        """text: a line of JSON as it is."""
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"schema_lines has ended at {text[:1000]}"
        return json.loads(answer)

    def violations(self, schema, values, formats=False):
        """The violations of each value; for a wrong schema an assertion fails."""
        answer = self.ask(json.dumps({"schema": schema, "formats": formats, "values": values}))
        assert "valid" in answer, (schema, answer)
        return answer["valid"]


@contextlib.contextmanager
def schema_lines(program, folder, remotes):
    """remotes: the schemas that others may refer to, by URI."""
    path = folder / "remotes.json"
    path.write_text(json.dumps(remotes))
    process = subprocess.Popen([program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)
    try:
        yield Lines(process)
    finally:
        process.stdin.close()
        process.wait(60)


def with_dialect(schema, uri):
    """The suite's files of an older draft do not say of which they are."""
    return {"$schema": uri, **schema} if isinstance(schema, dict) and "$schema" not in schema else schema
