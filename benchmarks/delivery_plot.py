"""The figures of `benchmarks.delivery` as a picture. Needs matplotlib (extra `bench`)."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot


def draw(figures: dict[str, Any], path: Path) -> None:
    panels = [
        panel for panel in (_cost, _memory, _latency, _takeover, _storm) if panel.__name__[1:] in _present(figures)
    ]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(3.2 * len(panels), 3.4), squeeze=False)
    for panel, axis in zip(panels, axes[0], strict=True):
        panel(figures, axis)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def _present(figures: dict[str, Any]) -> set[str]:
    keys = {"cost": "ratio", "memory": "idle_kib", "latency": "first_text_ms", "storm": "storm"}
    return {name for name, key in keys.items() if key in figures} | (
        {"takeover"} if "takeover_after_kill_s" in figures else set()
    )


def _bars(axis: Any, title: str, unit: str, values: dict[str, float]) -> None:
    bars = axis.bar(list(values), list(values.values()), color=["#9db4b1", "#0f766e"] * len(values))
    axis.bar_label(bars, fmt="%.4g")
    axis.set_title(title, fontsize=10)
    axis.set_ylabel(unit)
    axis.tick_params(axis="x", labelsize=8)


def _cost(figures: dict[str, Any], axis: Any) -> None:
    values = {"bare send": figures["baseline_us_per_send"], "logged entry": figures["us_per_entry"]}
    _bars(axis, f"CPU per entry ({figures['ratio']} times)", "µs", values)


def _memory(figures: dict[str, Any], axis: Any) -> None:
    values = {"bare": figures["baseline_idle_kib"], "chatserver": figures["idle_kib"]}
    _bars(axis, "idle connection", "KiB", values)


def _latency(figures: dict[str, Any], axis: Any) -> None:
    values = {"first p50": figures["first_text_ms"]["p50"], "later p99": figures["later_text_ms"]["p99"]}
    _bars(axis, "added latency", "ms", values)


def _takeover(figures: dict[str, Any], axis: Any) -> None:
    values = {
        "after kill": figures["takeover_after_kill_s"]["median"],
        "after drain": figures["takeover_after_drain_s"]["median"],
    }
    _bars(axis, f"takeover (lease {figures['takeover_lease_s']:g} s)", "s", values)


def _storm(figures: dict[str, Any], axis: Any) -> None:
    told = figures["storm"]
    values = {"p50": told["resumed_p50_s"], "p99": told["resumed_p99_s"]}
    _bars(axis, f"{told['clients']} clients resumed", "s", values)
