"""What Prometheus would have read, for asking."""

from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families


@dataclass
class Scrape:
    """One reading of `/metrics`, by Prometheus' own rules."""

    text: str
    samples: list[tuple[str, dict[str, str], float]] = field(init=False)
    families: dict[str, str] = field(init=False)
    """Name to type."""

    def __post_init__(self) -> None:
        found = list(text_string_to_metric_families(self.text))
        self.families = {family.name: family.type for family in found}
        self.samples = [(s.name, dict(s.labels), s.value) for family in found for s in family.samples]

    @property
    def names(self) -> set[str]:
        return {name for name, _, _ in self.samples}

    def labels(self, name: str) -> set[str]:
        """All label names of a metric."""
        return {label for found, labels, _ in self.samples if found == name for label in labels}

    def value(self, name: str, **labels: str) -> float:
        """The sum over all samples of this name with these labels; 0 without one."""
        return sum(
            value
            for found, told, value in self.samples
            if found == f"chatserver_{name}" and labels.items() <= told.items()
        )
