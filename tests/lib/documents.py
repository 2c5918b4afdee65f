"""Reads the code blocks of the documentation, and the marks that say how to test them.

A code block is fenced, or indented by four blanks. It is run in a shell, unless marks before it say
otherwise. Marks are comments, which are invisible on the rendered page:

    <!-- test: runs on until "TEXT" -->         the command does not end; it must print TEXT
    <!-- test: printed by the block before -->  output: these lines, in order; … matches anything
    <!-- test: saved as FILE -->                the content of a file
    <!-- test: checked by NAME -->              a function of the test checks it
    <!-- test: not run, as REASON -->           not tested
    <!-- test: stop what runs on -->            first stop the commands that still run
    <!-- test: beside NAME -->                  first start the program of this function
"""

import dataclasses
import re

MARK = re.compile(r"<!-- test: (.*?) -->")
FENCE = re.compile(r"(```+|~~~+)\s*(\w*)")
KINDS = {
    "until": re.compile(r'runs on until "(.+)"'),
    "printed": re.compile(r"(printed) by the block before"),
    "saved": re.compile(r"saved as (\S+)"),
    "checked": re.compile(r"checked by (\w+)"),
    "not_run": re.compile(r"not run, as (\S.{15,})"),
    "stop": re.compile(r"(stop) what runs on"),
    "beside": re.compile(r"beside (\w+)"),
}
SHELL = {"", "sh", "shell", "bash", "console"}


class Unmarked(Exception):
    pass


@dataclasses.dataclass
class Block:
    page: str
    line: int  # of its first line of code
    language: str
    text: str
    marks: dict

    @property
    def is_shell(self):
        return not {"printed", "saved", "checked", "not_run"} & set(self.marks)

    def __str__(self):
        return f"{self.page}:{self.line}"


def _read_marks(where, texts):
    marks = {}
    for text in texts:
        found = [(kind, match[1]) for kind, pattern in KINDS.items()
                 if (match := pattern.fullmatch(text))]
        if not found:
            raise Unmarked(f"{where}: no mark is \"{text}\"")
        marks.update(found)
    return marks


class _Reader:
    def __init__(self, page, text):
        self.page, self.lines, self.at = page, text.splitlines(), 0
        self.marks, self.blocks = [], []

    def _add(self, start, language, lines):
        where = f"{self.page}:{start + 1}"
        block = Block(self.page, start + 1, language, "\n".join(lines).rstrip() + "\n",
                      _read_marks(where, self.marks))
        if block.is_shell and language not in SHELL:
            raise Unmarked(f"{where}: a block of {language} has no mark that says what it is for")
        self.blocks.append(block)
        self.marks = []

    def _fenced(self, fence, language):
        start = self.at + 1
        end = start
        while not self.lines[end].strip().startswith(fence):
            end += 1
        self._add(start, language, self.lines[start:end])
        self.at = end + 1

    def _indented(self):
        start = end = self.at
        while end < len(self.lines) and (not self.lines[end] or self.lines[end].startswith("    ")):
            end += 1
        self._add(start, "", [line[4:] for line in self.lines[start:end]])
        self.at = end

    def read(self):
        before = ""
        while self.at < len(self.lines):
            line = self.lines[self.at]
            fence = FENCE.match(line.strip())
            if fence:
                self._fenced(fence[1], fence[2])
                before = ""
            elif line.startswith("    ") and not before:
                self._indented()
            else:
                before = line
                self.at += 1
                marks = MARK.findall(line)
                if marks:
                    self.marks += marks
                    before = ""
                elif line and self.marks:
                    raise Unmarked(f"{self.page}:{self.at}: a mark stands before no block")
        if self.marks:
            raise Unmarked(f"{self.page}: a mark stands before no block")
        return self.blocks


def blocks(page, text):
    """The blocks of a page, in order. Raises Unmarked if the use of a block is not clear."""
    return _Reader(page, text).read()


def first_missing(shown, printed):
    """The first line of `shown` that is not in `printed` after the line before it; None: all are.
    "…" matches anything within a line."""
    at = 0
    for line in shown.splitlines():
        pattern = ".*".join(re.escape(part) for part in line.strip().split("…"))
        match = re.compile(pattern).search(printed, at)
        if match is None:
            return line
        at = match.end()
    return None
