"""The figures of `benchmarks.retrieval` as a picture. Needs matplotlib (extra `bench`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

SHOWN = {"bm25": "#c9d3d1", "dense": "#9db4b1", "ranker, no graph": "#6b8f8a", "expand": "#3f8a80", "ranker": "#0f766e"}


def draw(results: Mapping[str, Any], path: Path) -> None:
    sets = {name: result for name, result in results.items() if name != "growth"}
    panels = bool(sets) + ("growth" in results)
    figure, axes = pyplot.subplots(1, panels, figsize=(6.4 * panels, 3.8), squeeze=False)
    if sets:
        _recall(sets, axes[0][0])
    if "growth" in results:
        _growth(results["growth"], axes[0][-1])
    for axis in axes[0]:
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _recall(sets: Mapping[str, Any], axis: Any) -> None:
    width = 0.8 / len(SHOWN)
    for index, (method, colour) in enumerate(SHOWN.items()):
        places = [place + index * width for place in range(len(sets))]
        values = [result["methods"][method]["recall"]["5"] for result in sets.values()]
        axis.bar(places, values, width, color=colour, label=method)
    axis.set_xticks([place + 0.4 - width / 2 for place in range(len(sets))], list(sets), fontsize=7)
    axis.set_ylabel("Recall@5, %")
    axis.legend(fontsize=7, ncols=len(SHOWN), loc="lower center", bbox_to_anchor=(0.5, 1))


def _growth(rows: Sequence[Mapping[str, Any]], axis: Any) -> None:
    sizes = [row["passages"] for row in rows]
    for kind, style in (("latency_ms", "o-"), ("cpu_ms", "o:")):
        for share, colour in (("p50", "#9db4b1"), ("p95", "#0f766e")):
            axis.plot(sizes, [row[kind][share] for row in rows], style, color=colour, label=f"{kind[:-3]} {share}")
    axis.set_xscale("log")
    axis.set_ylim(bottom=0)
    axis.set_xlabel("passages (synthetic copies)")
    axis.set_ylabel("ms for a search")
    axis.legend(fontsize=7)
