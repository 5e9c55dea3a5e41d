"""What a prepare job leaves behind."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from everfit.domain.check import DataFinding
from everfit.domain.conclusion import Result
from everfit.domain.holdout import Side
from everfit.domain.schema import Column


@dataclass(slots=True)
class Report:
    """The content of ``report.json``, and the profile beside it."""

    total: int = 0
    rows: Mapping[Side, int] = field(default_factory=dict[Side, int])
    columns: list[Column] = field(default_factory=list[Column])
    labels: tuple[str, ...] | None = None
    cutoff: str | None = None
    findings: list[DataFinding] = field(default_factory=list[DataFinding])
    profile: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def is_failing(self) -> bool:
        """Whether anything but a pass was found."""
        return any(finding.result is not Result.PASS for finding in self.findings)


def write_report(report: Report, output: Path) -> None:
    """Write ``report.json`` and ``profile.json`` into *output*."""
    holdout = output / Side.HOLDOUT.value
    content = {
        "rows": {"total": report.total} | {side.value: report.rows.get(side, 0) for side in Side},
        "columns": [{"name": column.name, "type": column.type.value} for column in report.columns],
        "labels": None if report.labels is None else list(report.labels),
        "cutoff": report.cutoff,
        "findings": [_finding(finding) for finding in report.findings],
        "holdout_digest": digest_of_files(sorted(path for path in holdout.rglob("*") if path.is_file()), holdout),
    }
    (output / "profile.json").write_text(json.dumps(report.profile, ensure_ascii=False))
    (output / "report.json").write_text(json.dumps(content, ensure_ascii=False, indent=1))


def _finding(finding: DataFinding) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "column": finding.column,
        "result": finding.result.value,
        "reason": finding.reason,
        "figures": dict(finding.figures),
    }


def digest_of_files(files: Iterable[Path], root: Path) -> str:
    """Return ``blake3:…`` of the names and contents of *files*."""
    from blake3 import blake3  # noqa: PLC0415 - third-party packages are imported where they are used

    whole = blake3()
    for path in files:
        content = blake3()
        content.update_mmap(path)
        whole.update(f"{path.relative_to(root).as_posix()}\0{content.hexdigest()}\n".encode())
    return f"blake3:{whole.hexdigest()}"
