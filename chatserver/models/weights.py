"""The trained numbers of the extractive answers, read from `selector.json` beside this file.

`benchmarks.train_selector` makes the file; each number weighs the feature of its name, so that it can be read, and
questioned, by a person.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Logistic:
    """Logistic regression: features by name to a probability."""

    intercept: float
    weights: Mapping[str, float]

    def __call__(self, features: Any) -> float:
        """`features` has an attribute for each weight."""
        z = self.intercept + sum(weight * getattr(features, name) for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-z)) if z > -700 else 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Probabilities between the tiers: a question is refused with `on_topic` below `refuse_below`, and told to be
    covered in part with `covered` below `partly_below`."""

    refuse_below: float
    partly_below: float


@dataclass(frozen=True, slots=True)
class Weights:
    """`support`: does a sentence carry a fact that the answer rests on; `answer`: does it hold the answer; `on_topic`:
    does the context speak of what is asked; `covered`: does it answer. `limits` are of the last two; `trained_on` are
    the sets of questions."""

    support: Logistic
    answer: Logistic
    on_topic: Logistic
    covered: Logistic
    limits: Limits
    trained_on: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Tells these weights from others."""
        return hashlib.sha256(dump(self).encode()).hexdigest()[:12]


@cache
def shipped() -> Weights:
    return parse((files(__package__) / "selector.json").read_text("utf-8"))


def parse(text: str) -> Weights:
    """Raises KeyError, TypeError and ValueError for what is not such a file."""
    value = json.loads(text)
    models = {name: Logistic(value[name]["intercept"], value[name]["weights"]) for name in _MODELS}
    return Weights(
        **models,
        limits=Limits(**{name: float(limit) for name, limit in value["limits"].items()}),
        trained_on=tuple(value["trained_on"]),
    )


def dump(weights: Weights) -> str:
    value: dict[str, Any] = {"trained_on": weights.trained_on}
    for name in _MODELS:
        model: Logistic = getattr(weights, name)
        rounded = {feature: round(weight, 3) for feature, weight in model.weights.items()}
        value[name] = {"intercept": round(model.intercept, 3), "weights": rounded}
    value["limits"] = {name: round(limit, 3) for name, limit in asdict(weights.limits).items()}
    return json.dumps(value, indent=2) + "\n"


_MODELS = ("support", "answer", "on_topic", "covered")
