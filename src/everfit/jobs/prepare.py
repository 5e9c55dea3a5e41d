"""The prepare job: check the data, hold a part of it out, profile the rest.

Ends with 0 and a report whenever it could do its work, whatever it found: to decide is the caller's business. It
decides nothing, and writes no rows, when a finding is not a pass: nobody would be allowed to train on them.
"""

import errno
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from everfit.domain.check import DataFinding, DataRule, Measure
from everfit.domain.conclusion import Result
from everfit.domain.errors import EverfitError
from everfit.domain.findings import judge, missing_column, plural
from everfit.domain.schema import compare, compare_labels, order_labels
from everfit.jobs.preparation import delimited, measuring
from everfit.jobs.preparation.delimited import Unusable, failing
from everfit.jobs.preparation.figures import Measured, figures_of
from everfit.jobs.preparation.files import prepare_files
from everfit.jobs.preparation.lines import read_lines
from everfit.jobs.preparation.order import LEAST_ROWS, Order, read_order
from everfit.jobs.preparation.parquet import read_parquet
from everfit.jobs.preparation.profiles import profile
from everfit.jobs.preparation.reporting import Report, write_report
from everfit.jobs.preparation.splitting import split, training_rows, write_sides
from everfit.jobs.preparation.tables import Database, Table, open_database

READERS: Final[Mapping[str, Callable[[Database, Order, Path], Table]]] = {
    "csv": delimited.read_csv,
    "jsonl": read_lines,
    "parquet": read_parquet,
}


def main() -> int:
    """Do the job below ``SAGEMAKER_BASE_DIR``; return its exit code."""
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    output, scratch = base / "output", base / "scratch"
    try:
        output.mkdir(parents=True, exist_ok=True)
        scratch.mkdir(exist_ok=True)
        report = prepare(read_order(base / "input" / "config" / "parameters.json"), output, scratch)
        write_report(report, output)
    except (EverfitError, OSError) as error:
        return fail(output, in_words(error))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


def in_words(error: EverfitError | OSError) -> str:
    """Return one sentence for an error that kept the job from its work."""
    if isinstance(error, OSError):
        if error.errno == errno.ENOSPC:
            return f"The disk is full ({error.filename or 'while preparing the data'}); make room and run again."
        return f"{error.filename or 'A file'} cannot be used: {error.strerror or error}."
    text = str(error).split("\n", 1)[0].strip()
    if "No space left" in text or "failed to offload" in text:
        return f"The disk is full: {text[:300]}; make room and run again."
    return text[:1000]


def fail(output: Path, message: str) -> int:
    """Leave *message* where the caller finds it."""
    print(message, file=sys.stderr)
    try:
        (output / "failure").write_text(message)
    except OSError:
        print("The message could not be written to output/failure.", file=sys.stderr)
    return 1


def prepare(order: Order, output: Path, scratch: Path) -> Report:
    """Check, split and profile the data; return what there is to report."""
    report = Report()
    if order.left_out:
        names = ", ".join(order.left_out[:5])
        several = f"{len(order.left_out)} files are not {order.format} by their names and were left out: {names}."
        one = f"1 file is not {order.format} by its name and was left out: {names}."
        reason = one if len(order.left_out) == 1 else several
        report.findings.append(DataFinding(rule="files", result=Result.PASS, reason=reason))
    if not order.files:
        report.findings.append(failing("rows", "The data source holds no file."))
        return report
    try:
        if order.format in READERS:
            with open_database(scratch, sum(file.size for file in order.files)) as database:
                _prepare_table(database, READERS[order.format](database, order, scratch), order, report, output)
        else:
            prepare_files(order, report, output)
    except Unusable as unusable:
        report.findings += unusable.findings
    return report


def _prepare_table(database: Database, table: Table, order: Order, report: Report, output: Path) -> None:
    _require_columns(table, order)
    measured = measuring.measure(database, table, order)
    report.total, report.columns = measured.rows, measured.columns
    report.findings += (
        delimited.broken_rows(database, [part.file for part in table.parts]) if table.strict_relation else []
    )
    if order.has_labels or any(rule.measure in (Measure.CLASSES, Measure.CLASS_SHARE) for rule in order.rules):
        measured.labels = measuring.count_labels(database, table, str(order.target)) if order.target else {}
    report.findings += list(standing_findings(order, measured))
    report.findings += [declared_finding(database, table, order, measured, rule) for rule in order.rules]
    if order.has_labels:
        report.labels = order_labels(list(measured.labels or {}), order.labels)
    if not report.is_failing:
        _split_table(database, table, order, report, output)


def _split_table(database: Database, table: Table, order: Order, report: Report, output: Path) -> None:
    found = split(database, table, order)
    if not isinstance(found, DataFinding):
        found = write_sides(database, table, found, output, order)
    if isinstance(found, DataFinding):
        report.findings.append(found)
        return
    report.rows, report.cutoff = found.rows, found.cutoff
    report.profile = profile(database, table, report.columns, training_rows(table, found, output))


def _require_columns(table: Table, order: Order) -> None:
    roles = (("target", order.target), ("time", order.time), ("id", order.id))
    wanted = [(role, name) for role, name in roles if name is not None and name not in table.names]
    findings = [missing_column(role, name, table.names) for role, name in wanted]
    if findings:
        raise Unusable(*findings)


def declared_finding(database: Database, table: Table, order: Order, measured: Measured, rule: DataRule) -> DataFinding:
    """Return what a rule of the project says."""
    unknown = [name for name in rule.columns if name not in table.names]
    if unknown:
        return missing_column(rule.text, unknown[0], table.names)
    return judge(rule, figures_of(database, table, rule, measured, order))


def standing_findings(order: Order, measured: Measured) -> list[DataFinding]:
    """Return what the rules that always hold say."""
    findings: list[DataFinding] = []
    if measured.rows < LEAST_ROWS:
        counted = f"There {'is' if measured.rows == 1 else 'are'} only {plural(measured.rows, 'row')}"
        counted = counted if measured.rows else "There is no row"
        reason = f"{counted}; at least {LEAST_ROWS} are needed to train and to hold some out."
        findings.append(failing("rows", reason, rows=measured.rows))
    if measured.rows and order.target is not None and measured.missing[order.target] == measured.rows:
        reason = f"All {measured.rows} values of the target {order.target} are missing."
        findings.append(failing("target", reason, column=order.target, missing=measured.rows))
    if measured.rows and order.time is not None:
        findings += _time_findings(order.time, measured)
    if order.columns:
        findings += compare(measured.columns, order.columns)
    if order.has_labels and measured.labels:
        findings += _label_findings(order, measured.labels)
    return findings


def _time_findings(time: str, measured: Measured) -> list[DataFinding]:
    figures = measured.figures["time"]
    read, present = int(str(figures["read"])), int(str(figures["present"]))
    findings: list[DataFinding] = []
    if present < measured.rows:
        reason = f"{measured.rows - present} of {measured.rows} rows have no {time}: they have no place in time."
        findings.append(failing("time", reason, column=time, missing=measured.rows - present))
    if read < present:
        reason = (
            f"{present - read} of {present} values of {time} are no times that can be read, such as "
            f"{figures['example']!r}; write them like 2024-01-31 13:45, 1/31/2024 or seconds since 1970."
        )
        findings.append(failing("time", reason, column=time, unreadable=present - read))
    return findings


def _label_findings(order: Order, labels: dict[str, int]) -> list[DataFinding]:
    if len(labels) > measuring.CLASS_LIMIT:
        reason = (
            f"{order.target} has more than {measuring.CLASS_LIMIT} different values: it does not look like a class."
        )
        return [failing("labels", reason, column=order.target)]
    return compare_labels(list(labels), order.labels, order.target) if order.labels else []


if __name__ == "__main__":
    sys.exit(main())
