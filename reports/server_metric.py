"""A metric of the platform's own monitoring, as a plan names it, and what is asked of it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ServerMetric(BaseModel):
    """One metric of the platform, and what is asked of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=60)
    """What the report calls it."""
    query: str = Field(min_length=1, max_length=4000)
    """In PromQL."""
    unit: str = Field(default="", max_length=20)
    """Of its values, for the report."""
    below: float | None = Field(default=None, allow_inf_nan=False)
    """It has to stay below this, in each of its series, at every step."""
    grows_below_per_h: float | None = Field(default=None, allow_inf_nan=False)
    """It must not grow faster in an hour: a leak."""
    grows_below_percent: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """It must not grow by more from the beginning to the end, the first tenth left out: a leak, too."""
    phase: str | None = None
    """Asked only while this phase was on; over the whole run without it."""

    @property
    def titles(self) -> dict[str, str]:
        """What is asked, in words, by the setting that asks it."""
        where = f" (phase {self.phase})" if self.phase else ""
        unit = f" {self.unit}" if self.unit else ""
        titles = {}
        if self.below is not None:
            titles["below"] = f"{self.name} below {self.below:g}{unit}{where}"
        if self.grows_below_per_h is not None:
            bound = f"{self.grows_below_per_h:g}{unit} an hour"
            titles["grows"] = f"{self.name} grows by less than {bound}{where}"
        if self.grows_below_percent is not None:
            bound = f"{self.grows_below_percent:g} %"
            titles["percent"] = f"{self.name} grows by less than {bound}{where}"
        return titles
