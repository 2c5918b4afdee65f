"""The table of docs/benchmarks.md."""

import datetime

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
HEAD = ["| figure | measured | at least | day | beside what |", "|---|---|---|---|---|"]


def _line(row, day):
    title, value, aim, note = row
    return f"| {title} | {value} | {aim} | {day} | {note} |"


def _title(line):
    return line.split("|")[1].strip()


def render(rows):
    return "\n".join(HEAD + [_line(row, datetime.date.today()) for row in rows])


def update(path, surroundings, rows):
    """Puts the rows into the table of a document: in the place of those of the same title, or at
    its end. What was not measured stays, with its day."""
    before, _, rest = path.read_text().partition(BEGIN)
    table, _, after = rest.partition(END)
    if not after:
        raise SystemExit(f"{path} has no {BEGIN} … {END}")
    lines = [line for line in table.splitlines() if line.startswith("|")][len(HEAD):]
    by_title = {_title(line): line for line in lines}
    by_title |= {row[0]: _line(row, datetime.date.today()) for row in rows}
    parts = [BEGIN, *(f"- {line}" for line in surroundings), "", *HEAD, *by_title.values(), END]
    path.write_text(before + "\n".join(parts) + after)
