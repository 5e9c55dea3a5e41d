"""The prepare job on real files: what it finds, what it holds out, and what it leaves behind."""

import csv
import errno
import gzip
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas  # type: ignore[import-untyped]  # has no stubs among the dependencies
import pytest

from everfit.domain.holdout import Side, bounds, place, row_text
from everfit.domain.snapshot import object_path
from everfit.jobs.preparation.order import read_order
from everfit.jobs.preparation.reporting import write_report
from everfit.jobs.preparation.tables import UnreadableError
from everfit.jobs.prepare import in_words, prepare

REAL = Path(__file__).parents[2] / "../shared/data"


class Prepared:
    """What a job left behind."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.report: dict[str, Any] = json.loads((output / "report.json").read_text())
        self.profile: dict[str, Any] = json.loads((output / "profile.json").read_text())

    def text(self, side: str, name: str = "data.csv", encoding: str = "utf-8") -> str:
        return (self.output / side / name).read_bytes().decode(encoding)

    def rows(self, side: str, name: str = "data.csv") -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.text(side, name), newline="")))

    @property
    def failures(self) -> list[str]:
        return [finding["reason"] for finding in self.report["findings"] if finding["result"] != "pass"]

    @property
    def reason(self) -> str:
        assert len(self.failures) == 1, self.failures
        return self.failures[0]


Prepare = Callable[..., Prepared]
Write = Callable[..., Path]


@pytest.fixture
def order(tmp_path: Path) -> Write:
    def write(files: Mapping[str, bytes | str], **given: object) -> Path:
        base = tmp_path / f"job-{len(list(tmp_path.iterdir()))}"
        (base / "input/config").mkdir(parents=True)
        entries: list[dict[str, object]] = []
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            digest = f"blake3:{sha256(data).hexdigest()}"
            kept = base / "objects" / object_path(digest)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(data)
            entries.append({"path": name, "size": len(data), "digest": digest})
        (base / "manifest.json").write_text(json.dumps({"id": "blake3:0", "files": entries}))
        parameters = {
            "manifest": str(base / "manifest.json"),
            "objects": str(base / "objects"),
            "format": "csv",
            "checks": [],
            "now": "2026-01-10T00:00:00+00:00",
        } | given
        (base / "input/config/parameters.json").write_text(json.dumps(parameters))
        return base

    return write


@pytest.fixture
def run(order: Write) -> Prepare:
    def prepared(files: Mapping[str, bytes | str] | bytes | str, **given: object) -> Prepared:
        base = order(files if isinstance(files, Mapping) else {"data.csv": files}, **given)
        for name in ("output", "scratch"):
            (base / name).mkdir()
        report = prepare(read_order(base / "input/config/parameters.json"), base / "output", base / "scratch")
        write_report(report, base / "output")
        return Prepared(base / "output")

    return prepared


def table(rows: int = 200, *, start: int = 0, header: str = "row_id,size,region,y") -> str:
    lines = [f"{n},{n % 17}.5,{('north', 'south')[n % 2]},{n * 3}" for n in range(start, start + rows)]
    return "\n".join([header, *lines]) + "\n"


def ids(prepared: Prepared, side: str) -> set[str]:
    return {row["row_id"] for row in prepared.rows(side)}


# What is held out


def test_every_row_goes_to_exactly_one_side(run: Prepare) -> None:
    done = run(table(500), target="y", id="row_id")
    sides = [ids(done, side.value) for side in Side]
    assert set.union(*sides) == {str(n) for n in range(500)}
    assert sum(len(side) for side in sides) == 500
    assert done.report["rows"] == {"total": 500} | {s.value: len(r) for s, r in zip(Side, sides, strict=True)}


def test_a_row_never_changes_sides_between_snapshots(run: Prepare) -> None:
    """The holdout is never seen by training, and a row never changes sides between snapshots."""
    before = run(table(300), target="y")
    shuffled = table(900).splitlines()[1:]
    random.Random(1).shuffle(shuffled)
    half = len(shuffled) // 2
    header = "row_id,size,region,y"
    after = run(
        {"a/x.csv": "\n".join([header, *shuffled[:half]]), "b.csv": "\n".join([header, *shuffled[half:]])}, target="y"
    )
    for side in Side:
        found = {r["row_id"] for name in ("a/x.csv", "b.csv") for r in after.rows(side.value, name)}
        assert ids(before, side.value) <= found


def test_the_side_of_a_row_does_not_depend_on_the_order_of_columns(run: Prepare) -> None:
    one = run("a,b\n" + "".join(f"{n},x{n}\n" for n in range(100)))
    other = run("b,a\n" + "".join(f"x{n},{n}\n" for n in range(100)))
    assert {row["a"] for row in one.rows("holdout")} == {row["a"] for row in other.rows("holdout")}


def test_the_side_is_the_documented_one_whatever_engine_reads_the_data(run: Prepare) -> None:
    done = run(table(300), target="y", holdout=0.3, validation=0.25)
    limits = bounds(0.3, 0.25)
    for side in Side:
        assert all(limits.side(place(row_text(row))) is side for row in done.rows(side.value))


def test_an_id_decides_the_side_even_when_the_row_was_corrected(run: Prepare) -> None:
    corrected = table(200).replace(".5,", ".75,")
    assert ids(run(table(200), id="row_id"), "holdout") == ids(run(corrected, id="row_id"), "holdout")


def test_rows_that_repeat_each_other_share_a_side(run: Prepare) -> None:
    done = run("a,b\n" + "".join(f"{n},{n}\n" * 3 for n in range(60)))
    sides = [{row["a"] for row in done.rows(side.value)} for side in Side]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]


def days(count: int, form: str = "2025-{month:02}-{day:02}", first: int = 0) -> str:
    dates = pandas.date_range("2025-01-01", periods=first + count)[first:]
    lines = [f"{n},{form.format(month=d.month, day=d.day)},{n * 2}" for n, d in enumerate(dates, start=first)]
    return "\n".join(["row_id,day,y", *lines]) + "\n"


@pytest.mark.parametrize(
    "form", ["2025-{month:02}-{day:02}", "{month}/{day}/2025", "2025/{month}/{day} 0:00", "2025{month:02}{day:02}"]
)
def test_with_a_time_column_the_newest_part_is_held_out(run: Prepare, form: str) -> None:
    """For data with a time column it is the newest part."""
    done = run(days(100, form), target="y", time="day")
    assert ids(done, "holdout") == {str(n) for n in range(80, 100)}
    assert ids(done, "validation") == {str(n) for n in range(72, 80)}
    assert done.report["cutoff"] == "2025-03-22T00:00:00.000000"


def test_the_cutoff_never_goes_back_and_rows_only_leave_the_holdout(run: Prepare) -> None:
    """A row may move from holdout to training as time goes on, never from training to holdout."""
    first = run(days(100), target="y", time="day")
    later = run(days(150), target="y", time="day", cutoff=first.report["cutoff"])
    assert later.report["cutoff"] > first.report["cutoff"]
    assert not ids(first, "train") & ids(later, "holdout")
    older = run(days(90), target="y", time="day", cutoff=first.report["cutoff"])
    assert older.report["cutoff"] == first.report["cutoff"]


def test_rows_of_the_same_time_stay_together(run: Prepare) -> None:
    lines = [f"{n},2025-01-{n // 25 + 1:02}" for n in range(100)]
    done = run("row_id,day\n" + "\n".join(lines) + "\n", time="day")
    assert ids(done, "holdout") == {str(n) for n in range(75, 100)}


def test_one_single_time_cannot_be_split(run: Prepare) -> None:
    done = run("row_id,day\n" + "".join(f"{n},2025-01-01\n" for n in range(50)), time="day")
    assert done.reason == "All rows have the same day: no newest part can be held out."


def test_nothing_newer_than_the_known_cutoff_is_told(run: Prepare) -> None:
    done = run(days(50), time="day", cutoff="2025-12-01T00:00:00.000000")
    assert "newer rows are needed" in done.reason


def test_times_with_zones_are_compared_as_instants(run: Prepare) -> None:
    lines = [f"{n},2025-01-01T{n:02}:00:00+00:00" for n in range(20)] + ["late,2025-01-01T19:30:00-05:00"]
    done = run("row_id,at\n" + "\n".join(lines) + "\n", time="at", holdout=0.05)
    assert ids(done, "holdout") == {"late"}


@pytest.mark.parametrize("scale", [1, 1000, 10**6])
def test_numbers_since_1970_are_times(run: Prepare, scale: int) -> None:
    lines = [f"{n},{(1_735_689_600 + n * 86400) * scale}" for n in range(50)]
    done = run("row_id,at\n" + "\n".join(lines) + "\n", time="at")
    assert done.report["cutoff"] == "2025-02-10T00:00:00.000000"


def test_times_that_cannot_be_read_or_are_missing_are_counted(run: Prepare) -> None:
    done = run(days(30) + "x,31/12/2025,1\ny,,2\n", time="day")
    assert [failure.split(":")[0] for failure in done.failures] == [
        "1 of 32 rows have no day",
        "1 of 31 values of day are no times that can be read, such as '31/12/2025'; write them like 2024-01-31 13",
    ]


def test_a_dry_run_keeps_about_fifty_rows_and_always_the_same(run: Prepare) -> None:
    first = run(table(3000), id="row_id", sample=0.01)
    assert 45 <= sum(first.report["rows"][side.value] for side in Side) <= 60
    assert all(first.report["rows"][side.value] for side in Side)
    assert first.report["rows"]["total"] == 3000
    assert ids(run(table(3000), id="row_id", sample=0.01), "train") == ids(first, "train")
    assert ids(first, "train") <= ids(run(table(3000), id="row_id"), "train")


# What is left behind


def test_values_keep_their_text_their_order_and_their_file(run: Prepare) -> None:
    rows = [f'{n:05},{n}.10,  x{n} ,"say ""{n}""\nand more",{"NA" if n % 3 else ""}' for n in range(60)]
    header = 'zip,price,"a, b",A,a'
    done = run({"sub/folder/Sales 2025.csv": "\n".join([header, *rows]) + "\n"}, target="price")
    source = list(csv.reader(io.StringIO("\n".join(rows), newline="")))
    for side in Side:
        found = list(csv.reader(io.StringIO(done.text(side.value, "sub/folder/Sales 2025.csv"), newline="")))
        assert found[0] == ["zip", "price", "a, b", "A", "a"]
        assert found[1:] == [row for row in source if row in found[1:]]


def test_the_objects_of_the_snapshot_are_not_touched(order: Write) -> None:
    base = order({"data.csv": table()}, target="y")
    kept = {path: path.read_bytes() for path in (base / "objects").rglob("*") if path.is_file()}
    (base / "scratch").mkdir()
    prepare(read_order(base / "input/config/parameters.json"), base / "output", base / "scratch")
    assert {path: path.read_bytes() for path in (base / "objects").rglob("*") if path.is_file()} == kept


def test_the_profile_is_of_the_training_rows_alone(run: Prepare) -> None:
    done = run(days(100), target="y", time="day")
    described = done.profile["columns"]["y"]
    train = [float(row["y"]) for row in done.rows("train")]
    assert done.profile["rows"] == len(train)
    assert (described["min"], described["max"]) == (min(train), max(train))
    assert described["mean"] == pytest.approx(sum(train) / len(train))
    assert described["quantiles"][50] == pytest.approx(pandas.Series(train).median())
    assert done.profile["correlation"]["matrix"][0][1] == 1.0
    assert len(json.dumps(described)) < 4096


def test_the_profile_of_a_text_counts_its_frequent_values(run: Prepare) -> None:
    done = run(table(400), target="y")
    top = dict(done.profile["columns"]["region"]["top"])
    assert sum(top.values()) == done.report["rows"]["train"]
    assert set(top) == {"north", "south"}


def test_the_digest_of_the_holdout_tells_its_content(run: Prepare) -> None:
    one, same, other = (run(table(rows), id="row_id").report["holdout_digest"] for rows in (200, 200, 201 + 40))
    assert one == same
    assert one != other


def test_the_types_of_the_columns_are_told(run: Prepare) -> None:
    lines = "".join(f"{n},{n}.5,{n % 2 == 0},2025-01-{n + 1:02} 10:00,word,\n" for n in range(20))
    done = run("whole,part,truth,at,words,nothing\n" + lines)
    assert {column["name"]: column["type"] for column in done.report["columns"]} == {
        "whole": "integer",
        "part": "number",
        "truth": "boolean",
        "at": "time",
        "words": "text",
        "nothing": "empty",
    }


# What may be wrong with the data


def test_a_broken_row_is_named_with_file_line_and_beginning(run: Prepare) -> None:
    done = run(table(20) + '20,"two\nlines",north,60\n21,oops\n22,1.5,south,66\n')
    assert done.reason == "A row cannot be read: data.csv line 24 (it has 2 fields where the header has 4): '21,oops'."
    assert not (done.output / "train").exists()


def test_several_broken_rows_are_counted(run: Prepare) -> None:
    done = run(table(20) + "1,2\n1,2,3,4,5\n")
    assert done.reason.startswith("2 rows cannot be read; the first is data.csv line 22")


def test_windows_line_ends_a_byte_order_mark_and_blank_lines_at_the_end_are_read(run: Prepare) -> None:
    done = run(b"\xef\xbb\xbf" + table(40).replace("\n", "\r\n").encode() + b"\r\n\r\n", target="y")
    assert done.report["rows"]["total"] == 40
    assert done.report["columns"][0]["name"] == "row_id"


def test_another_encoding_that_is_not_declared_is_found_with_line_and_byte(run: Prepare) -> None:
    data = table(12).encode() + "12,1.5,Zürich,36\n".encode("cp1252")
    done = run(data)
    at = data.index(b"\xfc")
    assert done.reason == (
        f"data.csv line 14 is not utf-8: byte {at} is 0xFC; set data.encoding, such as cp1252 or latin-1."
    )


def test_a_declared_encoding_is_read_and_written_again(run: Prepare) -> None:
    text = table(100).replace("north", "Zürich")
    done = run(text.encode("cp1252"), encoding="cp1252", target="y")
    assert "Zürich" in done.text("train", encoding="cp1252")
    assert done.report["rows"]["total"] == 100


def test_utf_16_is_recognised_by_its_first_bytes_and_read_when_declared(run: Prepare) -> None:
    data = table(100).encode("utf-16")
    assert run(data).reason == "data.csv line 1 is not utf-8: byte 0 is 0xFF; set data.encoding, such as utf-16."
    assert run(data, encoding="utf-16").text("train", encoding="utf-16").startswith("row_id,size,region,y\n")


def test_a_declared_encoding_that_is_wrong_is_found(run: Prepare) -> None:
    assert "line 14 is not cp1252" in run(table(12).encode() + b"12,1.5,\x81,36\n", encoding="cp1252").reason
    assert "no encoding called klingon" in run(table(), encoding="klingon").reason


def test_a_wrong_delimiter_is_told_with_the_one_that_fits(run: Prepare) -> None:
    done = run(table(40).replace(",", ";"), delimiter=",", target="y")
    assert done.reason == (
        "data.csv does not split at a comma; at a semicolon it has 4 columns: set data.delimiter to ';'."
    )


def test_a_delimiter_that_is_not_declared_is_found_out_and_kept(run: Prepare) -> None:
    done = run(table(40).replace(",", ";"), target="y")
    assert done.text("train").startswith("row_id;size;region;y\n")


def test_an_empty_file_and_a_file_with_a_header_alone_are_told(run: Prepare) -> None:
    assert run("").reason == "data.csv is empty: it has not even a header."
    assert run("a,b\n").reason == "There is no row; at least 10 are needed to train and to hold some out."
    assert run({}).reason == "The data source holds no file."


@pytest.mark.parametrize(("rows", "words"), [(1, "There is only 1 row"), (9, "There are only 9 rows")])
def test_too_few_rows_to_split_are_told(run: Prepare, rows: int, words: str) -> None:
    assert run(table(rows), target="y").reason.startswith(words)


def test_a_side_without_a_row_is_told_and_nothing_is_left(run: Prepare) -> None:
    done = run(table(12), id="row_id", holdout=0.0001)
    assert done.reason == "No row falls into the holdout part: more rows, or another data.holdout, are needed."
    assert sorted(path.name for path in done.output.iterdir()) == ["profile.json", "report.json"]


def test_a_target_that_is_missing_or_all_missing_is_told(run: Prepare) -> None:
    assert run(table(), target="Y").reason == "The data has no column Y; did you mean y?"
    assert run("a,y\n" + "1,\n" * 20, target="y").reason == "All 20 values of the target y are missing."


def test_two_columns_of_one_name_are_told(run: Prepare) -> None:
    assert run("a,a\n1,2\n").reason == "data.csv has more than one column called a; give each its own name."


def test_files_with_other_columns_are_named(run: Prepare) -> None:
    done = run({"a.csv": table(20), "b.csv": table(20, header="row_id,size,area,y")})
    assert done.reason == (
        "b.csv lacks region and has area besides, compared with a.csv; all files need the same columns."
    )


def test_files_with_the_columns_in_another_order_are_one_table(run: Prepare) -> None:
    other = "y,region,size,row_id\n" + "".join(f"{n * 3},north,1.5,{n}\n" for n in range(100, 200))
    done = run({"a.csv": table(100), "b.csv": other}, target="y", checks=["range(row_id) in [0, 199]"])
    assert not done.failures
    assert done.text("train", "b.csv").startswith("y,region,size,row_id\n")
    assert all(int(row["y"]) == 3 * int(row["row_id"]) for row in done.rows("train", "b.csv"))


def test_a_file_without_rows_for_a_side_is_not_written_there(run: Prepare) -> None:
    old, new = days(60), days(20, first=60)
    done = run({"old.csv": old, "new.csv": new}, time="day", validation=0, holdout=0.25)
    assert [path.name for path in (done.output / "holdout").iterdir()] == ["new.csv"]
    assert [path.name for path in (done.output / "train").iterdir()] == ["old.csv"]
    assert not (done.output / "validation").exists()
    assert done.profile["rows"] == 60


def test_a_file_that_cannot_be_unpacked_is_named(run: Prepare) -> None:
    assert run({"a.csv.gz": b"\x1f\x8bnonsense"}).reason == "a.csv.gz cannot be unpacked: Unknown compression method."


def test_a_value_that_could_be_a_name_of_the_engine_s_is_just_a_value(run: Prepare) -> None:
    assert not run(table(50), checks=['values(region) in [t99, d0, "it\'s {n}", north, south]']).failures


def test_files_that_are_no_table_are_left_out_in_words(run: Prepare) -> None:
    done = run({"data.csv": table(), "README.md": "# hello", ".hidden.csv": "nonsense"})
    assert [finding["reason"] for finding in done.report["findings"]] == [
        "1 file is not csv by its name and was left out: README.md."
    ]


REFERENCE = {
    "columns": [
        {"name": "row_id", "type": "integer"},
        {"name": "size", "type": "number"},
        {"name": "region", "type": "text"},
        {"name": "y", "type": "integer"},
    ],
    "labels": None,
}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"header": "row_id,size,area,y"}, "The column region is missing and area is new and alike: was it renamed?"),
        ({"retyped": True}, "The column size was of type number and is of type text now."),
        ({"extra": True}, "The column extra is new: the model has not learnt it."),
        ({"missing": True}, "The column size is missing."),
    ],
)
def test_a_schema_break_is_named(run: Prepare, change: dict[str, Any], reason: str) -> None:
    """A schema break (a renamed, missing or retyped column …) stops the run before training, with the column."""
    text = table(50, header=change.get("header", "row_id,size,region,y"))
    rows = [line.split(",") for line in text.splitlines()]
    if "retyped" in change:
        rows[7][1] = "tall"
    if "extra" in change:
        rows = [[*row, "extra" if n == 0 else "1"] for n, row in enumerate(rows)]
    if "missing" in change:
        rows = [[row[0], *row[2:]] for row in rows]
    assert run("\n".join(",".join(row) for row in rows), target="y", reference=REFERENCE).reason == reason


def test_an_unbroken_schema_passes_in_words(run: Prepare) -> None:
    done = run(table(50), target="y", reference=REFERENCE)
    assert [(f["rule"], f["result"], f["reason"]) for f in done.report["findings"]] == [
        ("schema", "pass", "All 4 columns are as before.")
    ]


def test_a_new_class_is_named_and_a_vanished_one_keeps_the_label_order(run: Prepare) -> None:
    """A new class that would shift label order stops the run before training."""
    known = {"columns": [], "labels": ["south", "north", "west"]}
    done = run(table(100), target="region", task="classification", reference=known)
    assert not done.failures
    assert done.report["labels"] == ["south", "north", "west"]
    new = run(table(100), target="region", task="classification", reference={"labels": ["south"]})
    assert new.reason == "The class north is new: with it the label order would shift; known are south."


def test_labels_are_sorted_at_first(run: Prepare) -> None:
    text = "x,label\n" + "".join(f"{n},{n % 11}\n" for n in range(200))
    done = run(text, target="label", task="classification")
    assert done.report["labels"] == [str(n) for n in range(11)]


def test_declared_checks_are_judged_with_the_column_and_the_figures(run: Prepare) -> None:
    """Too many missing values, duplicated rows or too few rows stop the run, with the column and the figures."""
    text = table(98) + "97,,north,\n97,900.5,east,1\n"
    checks = {
        "rows >= 101": "There are 100 rows.",
        "missing(size) < 1%": "1 of 100 values of size is missing (1%).",
        "duplicates(row_id) == 0": "2 of 100 rows repeat the row_id of an earlier row (2%), such as 97.",
        "range(size) in [0, 500]": "1 of 99 values of size is outside; the values go from 0.5 to 900.5.",
        "values(region) in [north, south]": "1 of 100 values of region is not allowed, such as 'east'.",
        "type(region) == number": "The values of region are of type text, not number: "
        "100 of 100 values are not, such as 'east'.",
        "columns == [row_id, y]": "The columns are not the ones that were asked for; extra: size, region.",
        "missing(sizes) <= 1%": "The data has no column sizes; did you mean size?",
    }
    done = run(text, checks=list(checks), target="y")
    assert {finding["rule"]: finding["reason"] for finding in done.report["findings"]} == checks
    assert {finding["result"] for finding in done.report["findings"]} == {"fail"}
    assert {f["rule"]: f["column"] for f in done.report["findings"]}["missing(size) < 1%"] == "size"


def test_declared_checks_hold_exactly_at_their_thresholds(run: Prepare) -> None:
    text = table(99) + "99,,north,1\n"
    checks = [
        "rows >= 100",
        "missing(size) <= 1%",
        "range(size) in [0.5, 16.5]",
        "values(row_id) in [" + ", ".join(str(n) for n in range(100)) + "]",
        "duplicates(rows) == 0",
        "duplicates(row_id, region) == 0",
        "type(size) == number",
        "type(row_id) == integer",
        "columns == [row_id, size, region, y]",
    ]
    assert not run(text, checks=checks).failures


def test_freshness_is_the_age_of_the_newest_time(run: Prepare) -> None:
    text = days(10)
    given = {"now": "2025-01-12T00:00:00+00:00"}
    assert not run(text, checks=["freshness(day) <= 2d"], **given).failures
    stale = run(text, checks=["freshness(day) < 48h"], **given)
    assert stale.reason == "The newest day is 2025-01-10T00:00:00, 2d old."


def test_class_balance_is_judged(run: Prepare) -> None:
    text = "x,label\n" + "".join(f"{n},{'rare' if n % 20 == 0 else 'usual'}\n" for n in range(200))
    checks = ["class_share >= 5%", "class_share(rare) > 5%", "classes == 2"]
    done = run(text, target="label", task="classification", checks=checks)
    assert [finding["result"] for finding in done.report["findings"]] == ["pass", "fail", "pass"]
    assert done.reason == "The class rare has 10 of 200 rows (5%)."


def test_repeated_rows_are_found(run: Prepare) -> None:
    done = run(table(20) + "3,3.5,south,9\n", checks=["duplicates(rows) == 0"])
    assert done.reason.startswith("1 of 21 rows repeats an earlier row")


# Other formats


def test_packed_csv_stays_packed(run: Prepare) -> None:
    done = run({"data.csv.gz": gzip.compress(table(100).encode())}, target="y")
    train = gzip.decompress((done.output / "train/data.csv.gz").read_bytes()).decode()
    assert train.startswith("row_id,size,region,y\n")
    assert train.count("\n") == done.report["rows"]["train"] + 1


def test_parquet_keeps_its_types(run: Prepare, tmp_path: Path) -> None:
    frame = pandas.DataFrame(
        {
            "n": range(200),
            "zip": [f"{n:05}" for n in range(200)],
            "at": pandas.date_range("2025-01-01", periods=200),
            "x": [n / 7 for n in range(200)],
            "on": [n % 2 == 0 for n in range(200)],
        }
    )
    frame.to_parquet(tmp_path / "made")
    done = run({"data.parquet": (tmp_path / "made").read_bytes()}, format="parquet", target="x", time="at")
    train = pandas.read_parquet(done.output / "train/data.parquet")
    pandas.testing.assert_frame_equal(train, frame.head(144), check_dtype=True)
    assert [c["type"] for c in done.report["columns"]] == ["integer", "text", "time", "number", "boolean"]
    assert len(pandas.read_parquet(done.output / "holdout/data.parquet")) == 40


def test_broken_parquet_is_named(run: Prepare) -> None:
    assert "a.parquet cannot be read as Parquet" in run({"a.parquet": b"PAR1nonsense"}, format="parquet").reason


def test_json_lines_stay_as_they_are(run: Prepare) -> None:
    lines = [json.dumps({"id": n, "text": 'Zürich; "q"', "deep": {"a": [n]}, "y": n / 2}) + " " for n in range(100)]
    done = run({"d.jsonl": "\n".join(lines) + "\n"}, format="jsonl", target="y", id="id", checks=["missing(text) == 0"])
    assert not done.failures
    found = [line for side in Side for line in done.text(side.value, "d.jsonl").splitlines()]
    assert sorted(found) == sorted(lines)
    assert [c["type"] for c in done.report["columns"]] == ["integer", "text", "text", "number"]


def test_a_line_that_is_no_json_object_is_named(run: Prepare) -> None:
    done = run({"d.jsonl": '{"a": 1}\n\n{"a": 2\n[1]\n'}, format="jsonl")
    assert done.reason == "2 lines are no JSON objects; the first is d.jsonl line 3: '{\"a\": 2'."


PNG = b"\x89PNG\r\n\x1a\n%b\x00\x00\x00\x00IEND\xaeB`\x82"


def images(count: int = 40) -> dict[str, bytes]:
    return {f"{('cat', 'dog')[n % 2]}/{n}.png": PNG % str(n).encode() for n in range(count)}


def test_images_are_split_by_their_content_and_keep_their_folders(run: Prepare) -> None:
    done = run(images(), format="images", task="classification", checks=["classes == 2"])
    assert not done.failures
    assert done.report["labels"] == ["cat", "dog"]
    sides = {side: {p.name for p in (done.output / side.value).rglob("*.png")} for side in Side}
    assert sum(len(names) for names in sides.values()) == 40
    renamed = {path.replace("/", "/other-"): data for path, data in images().items()}
    again = run(renamed, format="images", task="classification")
    assert {f"other-{n}" for n in sides[Side.HOLDOUT]} == {p.name for p in (again.output / "holdout").rglob("*.png")}


def test_a_training_that_spoils_its_images_does_not_reach_the_snapshot(run: Prepare) -> None:
    done = run(images(), format="images")
    spoiled = next((done.output / "train").rglob("*.png"))
    spoiled.write_bytes(b"spoiled")
    kept = [path.read_bytes() for path in (done.output.parent / "objects").rglob("*") if path.is_file()]
    assert b"spoiled" not in kept


def test_an_image_that_cannot_be_read_is_named(run: Prepare) -> None:
    assert "cat/x.png: it is empty" in run(images() | {"cat/x.png": b""}, format="images").reason
    assert "neither PNG nor JPEG" in run(images() | {"cat/x.txt": b"text"}, format="images").reason
    assert "its end is missing" in run(images() | {"cat/x.png": PNG[:8]}, format="images").reason
    assert not run(images() | {".DS_Store": b"x", "cat/Thumbs.db": b"x"}, format="images").failures


def test_a_new_class_folder_is_named(run: Prepare) -> None:
    """A new class folder that would shift label order stops the run before training."""
    done = run(images() | {"ant/1.png": PNG % b"ant"}, format="images", reference={"labels": ["cat", "dog"]})
    assert done.reason == "The class ant is new: with it the label order would shift; known are cat, dog."


def test_an_image_outside_a_class_folder_is_named(run: Prepare) -> None:
    assert "1.png is in no class folder" in run(images() | {"1.png": PNG % b"1"}, format="images").reason


def test_plain_files_stay_on_their_side_when_they_are_replaced(run: Prepare) -> None:
    one = run({f"{n}.bin": b"old %d" % n for n in range(40)}, format="files")
    two = run({f"{n}.bin": b"new %d" % n for n in range(40)}, format="files")
    names = [{path.name for path in (done.output / "holdout").iterdir()} for done in (one, two)]
    assert names[0] == names[1] != set()


def test_a_few_plain_files_are_not_split(run: Prepare) -> None:
    done = run({"model.db": b"x"}, format="files")
    assert done.report["rows"] == {"total": 1, "train": 1, "validation": 0, "holdout": 0}


# As a job


def start(base: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"SAGEMAKER_BASE_DIR": str(base)}
    command = [sys.executable, "-m", "everfit.jobs.prepare"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_job_ends_well_whatever_it_finds_and_leaves_no_scratch(order: Write) -> None:
    base = order({"data.csv": table(5)})
    done = start(base)
    assert (done.returncode, done.stderr) == (0, "")
    assert Prepared(base / "output").failures
    assert not (base / "scratch").exists()


def test_the_job_fails_with_one_sentence_when_it_cannot_do_its_work(order: Write) -> None:
    base = order({"data.csv": table()})
    (base / "manifest.json").unlink()
    done = start(base)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert (
        base / "output/failure"
    ).read_text() == f"{base / 'manifest.json'} cannot be read: No such file or directory."


def test_a_full_disk_is_one_sentence() -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/x/train/data.csv")
    assert in_words(full) == "The disk is full (/x/train/data.csv); make room and run again."
    assert in_words(UnreadableError("IO Error: No space left on device")).startswith("The disk is full: ")


# Real data


def real(name: str) -> bytes:
    path = REAL / name
    if not path.exists():
        pytest.skip(f"{name} is not on this machine")
    return path.read_bytes()


def test_a_plant_s_generation_is_held_out_by_time(run: Prepare) -> None:
    data = real("solar/ZoneA1.csv")
    done = run(
        {"ZoneA1.csv": data}, target="generation(kWh)", time="Time", checks=["range(generation(kWh)) in [0, 10]"]
    )
    assert not done.failures
    newest = min(pandas.to_datetime(row["Time"]) for row in done.rows("holdout", "ZoneA1.csv"))
    assert newest > max(pandas.to_datetime(row["Time"]) for row in done.rows("validation", "ZoneA1.csv")[-9:])


def test_reviews_with_commas_and_quotes_come_through_whole(run: Prepare) -> None:
    data = real("reviews/train_data.csv")
    done = run({"train.csv": data}, target="sentiment", task="classification")
    assert done.report["labels"] == ["Negative", "Neutral", "Positive"]
    source = {tuple(row) for row in csv.reader(io.StringIO(data.decode(), newline=""))}
    for side in Side:
        found = {tuple(row) for row in csv.reader(io.StringIO(done.text(side.value, "train.csv"), newline=""))}
        assert found <= source


def test_tickets_with_american_dates_are_held_out_by_day(run: Prepare) -> None:
    done = run({"t.csv": real("tickets/tickets_2025-01_to_2025-10.csv")}, time="created_date", task="forecast")
    assert {row["created_date"] for row in done.rows("train", "t.csv")} & {
        row["created_date"] for row in done.rows("holdout", "t.csv")
    } == set()
