"""Says which tests of JUnit files did not pass, and with what: failures.py FILE…

scripts/test calls it last, so that the end of a long log names what has to be mended.
"""

import sys
import xml.etree.ElementTree as ElementTree

# Of each test, the end of its text is shown: pytest and Criterion name the assertion there.
LINES_SHOWN = 25
TESTS_SHOWN = 20


def failures(path: str) -> list[tuple[str, str]]:
    """The tests of this file that failed or were skipped, each as its name and the end of its text."""
    found = []
    for case in ElementTree.parse(path).iter("testcase"):
        texts = [
            f"{part.get('message') or ''}\n{part.text or ''}"
            for part in case
            if part.tag in ("failure", "error", "skipped")
        ]
        if not texts:
            continue
        # ctest has what a program printed beside the failure.
        texts += [part.text or "" for part in case if part.tag == "system-out"]
        lines = [line for text in texts for line in text.splitlines() if line.strip()]
        found.append((f"{case.get('classname')}.{case.get('name')}", "\n".join(lines[-LINES_SHOWN:])))
    return found


def main() -> None:
    found = []
    for path in sys.argv[1:]:
        try:
            found += failures(path)
        except (OSError, ElementTree.ParseError) as error:
            found.append((path, f"cannot be read: {error}"))
    for name, text in found[:TESTS_SHOWN]:
        print(f"--- {name}\n{text}")
    if len(found) > TESTS_SHOWN:
        print(f"and {len(found) - TESTS_SHOWN} more")


if __name__ == "__main__":
    main()
