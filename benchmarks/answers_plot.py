"""The figures of `benchmarks.answers` as a picture. Needs matplotlib (extra `bench`)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

BARS = {"contained": "#0f766e", "precision": "#3f8a80", "recall": "#9db4b1"}
TIMES = {"find": "#9db4b1", "answer": "#0f766e"}
LINES = {"off_topic": "-", "removed": ":"}


def draw(results: Mapping[str, Any], path: Path) -> None:
    figure, (quality, refusal, latency) = pyplot.subplots(1, 3, figsize=(16, 4.2))
    _quality(results, quality)
    _refusal(results, refusal)
    _latency(results, latency)
    for axis in (quality, refusal, latency):
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _quality(results: Mapping[str, Any], axis: Any) -> None:
    width = 0.8 / len(BARS)
    for index, (figure, colour) in enumerate(BARS.items()):
        places = [place + index * width for place in range(len(results))]
        axis.bar(places, [result[figure] or 0 for result in results.values()], width, color=colour, label=figure)
    axis.set_xticks([place + 0.4 - width / 2 for place in range(len(results))], list(results), fontsize=7)
    axis.set_ylabel("%")
    axis.legend(fontsize=7, ncols=len(BARS), loc="lower center", bbox_to_anchor=(0.5, 1))


def _refusal(results: Mapping[str, Any], axis: Any) -> None:
    """What each share of falsely refused questions would buy; the dots are what the measured limits do."""
    for index, (name, result) in enumerate(results.items()):
        for kind, style in LINES.items():
            if points := result["curves"][kind]:
                axis.plot(*zip(*points, strict=True), style, color=f"C{index}", label=f"{name}, {kind}", linewidth=1)
        if result["refused"]["off_topic"] is not None:
            axis.plot(result["refused"]["false"] or 0, result["refused"]["off_topic"], "o", color=f"C{index}")
    axis.set_xlabel("answered questions refused, %")
    axis.set_ylabel("off-topic, or without gold: refused, %")
    if axis.get_lines():
        axis.legend(fontsize=6, loc="lower right")


def _latency(results: Mapping[str, Any], axis: Any) -> None:
    width = 0.8 / len(TIMES)
    for index, (kind, colour) in enumerate(TIMES.items()):
        places = [place + index * width for place in range(len(results))]
        for share, alpha in (("p95", 0.45), ("p50", 1.0)):
            values = [result["latency_ms"][kind][share] for result in results.values()]
            axis.bar(places, values, width, color=colour, alpha=alpha, label=f"{kind} {share}")
    axis.set_xticks([place + 0.4 - width / 2 for place in range(len(results))], list(results), fontsize=7)
    axis.set_ylabel("ms")
    axis.legend(fontsize=7, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1))
