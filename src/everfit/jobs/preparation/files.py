"""Data without rows: image folders, where the folder is the class, and plain files.

An image's side comes from its content, so a copy under another name stays on the same side. A plain file's side comes
from its path, so a file that is replaced stays where it was. Fewer than ``LEAST_ROWS`` plain files are not split: all
of them are training data, and the user's own evaluation holds out what it needs.
"""

import math
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from everfit.domain.check import DataFinding, DataRule, Measure
from everfit.domain.conclusion import Result
from everfit.domain.findings import judge
from everfit.domain.holdout import Side, bounds, place
from everfit.domain.schema import compare_labels, order_labels
from everfit.jobs.preparation.delimited import failing
from everfit.jobs.preparation.figures import class_figures
from everfit.jobs.preparation.order import LEAST_ROWS, Order, SourceFile
from everfit.jobs.preparation.reporting import Report

SAMPLE_FILES: Final = 50
SYSTEM_FILES: Final = ("thumbs.db", "desktop.ini")
PNG: Final = b"\x89PNG\r\n\x1a\n"
JPEG: Final = b"\xff\xd8\xff"


def prepare_files(order: Order, report: Report, output: Path) -> None:
    """Check, split and profile images or plain files."""
    files = [file for file in order.files if file.path.rsplit("/", 1)[-1].lower() not in SYSTEM_FILES]
    is_images = order.format == "images"
    report.total = len(files)
    labels = Counter(class_of(file) for file in files) if is_images else Counter[str]()
    if is_images:
        report.findings += _image_findings(files, order, labels)
        report.labels = order_labels(list(labels), order.labels)
    report.findings += [_declared(rule, files, labels) for rule in order.rules]
    if not report.is_failing:
        _split(files, order, report, output)


def class_of(file: SourceFile) -> str:
    """Return the class of an image: the folder that it is in, below the data source."""
    return file.path.split("/", 1)[0] if "/" in file.path else ""


def _image_findings(files: Sequence[SourceFile], order: Order, labels: Mapping[str, int]) -> list[DataFinding]:
    findings: list[DataFinding] = []
    if len(files) < LEAST_ROWS:
        reason = f"There are only {len(files)} images; at least {LEAST_ROWS} are needed to train and to hold some out."
        findings.append(failing("rows", reason, rows=len(files)))
    outside = [file.path for file in files if not class_of(file)]
    if outside:
        reason = f"{outside[0]} is in no class folder; put each image into a folder named after its class."
        findings.append(failing("labels", reason, files=len(outside)))
    broken = [(file.path, why) for file in files if (why := broken_image(file)) is not None]
    if broken:
        many = "An image" if len(broken) == 1 else f"{len(broken)} images"
        reason = f"{many} cannot be read, such as {broken[0][0]}: {broken[0][1]}."
        findings.append(failing("rows", reason, broken=len(broken), files=[path for path, _ in broken[:20]]))
    if order.labels:
        findings += compare_labels(sorted(labels), order.labels, None)
    return findings


def broken_image(file: SourceFile) -> str | None:
    """Return why *file* is no whole PNG or JPEG image; None when it is one."""
    if not file.size:
        return "it is empty"
    with file.content.open("rb") as content:
        head = content.read(16)
        content.seek(max(file.size - 1024, 0))
        tail = content.read()
    if head.startswith(PNG):
        return None if b"IEND" in tail else "its end is missing"
    if head.startswith(JPEG):
        return None if b"\xff\xd9" in tail else "its end is missing"
    return "it is neither PNG nor JPEG"


def _declared(rule: DataRule, files: Sequence[SourceFile], labels: Mapping[str, int]) -> DataFinding:
    match rule.measure:
        case Measure.ROWS:
            return judge(rule, {"rows": len(files)})
        case Measure.CLASSES | Measure.CLASS_SHARE if labels:
            return judge(rule, class_figures(rule, labels))
        case Measure.DUPLICATES if not rule.columns:
            distinct = len({file.content for file in files})
            return judge(rule, {"duplicates": len(files) - distinct, "rows": len(files)})
        case _:
            reason = "This check needs a table; files have rows, classes, class_share and duplicates(rows)."
            return DataFinding(rule=rule.text, result=Result.FAIL, reason=reason)


def _split(files: Sequence[SourceFile], order: Order, report: Report, output: Path) -> None:
    sides = _sides(files, order)
    if order.sample is not None:
        sides = {side: _sampled(chosen, order.sample, len(files)) for side, chosen in sides.items()}
    whole = order.format == "files" and len(files) < LEAST_ROWS
    empty = [side for side in (Side.TRAIN, Side.HOLDOUT) if not sides[side]]
    if empty and not (whole and files):
        reason = f"No file falls into the {empty[0].value} part: more files, or another data.holdout, are needed."
        report.findings.append(failing("split", reason))
        return
    for side, chosen in sides.items():
        for file in chosen:
            target = output / side.value / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            # A copy, never a link: what the training script does to its input must not reach the snapshot.
            shutil.copyfile(file.content, target)
    report.rows = {side: len(chosen) for side, chosen in sides.items()}
    report.profile = _profile(sides[Side.TRAIN], order)


def _sides(files: Sequence[SourceFile], order: Order) -> dict[Side, list[SourceFile]]:
    sides: dict[Side, list[SourceFile]] = {side: [] for side in Side}
    limits = bounds(order.holdout, order.validation)
    for file in files:
        known_by = file.digest if order.format == "images" else file.path
        is_whole = order.format == "files" and len(files) < LEAST_ROWS
        sides[Side.TRAIN if is_whole else limits.side(place(known_by))].append(file)
    return sides


def _sampled(files: Sequence[SourceFile], share: float, total: int) -> list[SourceFile]:
    """Keep about *share* of each class, always the same files, and never none of them."""
    share = min(1.0, max(share, SAMPLE_FILES / total))
    kept: list[SourceFile] = []
    for label in sorted({class_of(file) for file in files}):
        chosen = sorted(
            (file for file in files if class_of(file) == label), key=lambda file: place(f"sample{file.digest}")
        )
        kept += chosen[: math.ceil(share * len(chosen))]
    return kept


def _profile(files: Iterable[SourceFile], order: Order) -> dict[str, object]:
    sizes = sorted(file.size for file in files)
    profile: dict[str, object] = {"rows": len(sizes), "sample": len(sizes), "columns": {}}
    profile["bytes"] = {"quantiles": [sizes[round(step / 100 * (len(sizes) - 1))] for step in range(101)]}
    if order.format == "images":
        profile["labels"] = dict(sorted(Counter(class_of(file) for file in files).items()))
    return profile
