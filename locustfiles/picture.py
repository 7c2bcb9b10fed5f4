"""A picture of what a plan will do: its load over time."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from e2e_data.problems import Problems
from locustfiles.forecast import Forecast

POINTS = 600
INCHES = (10.0, 3.6)


def draw(title: str, found: Forecast, path: Path, ending: str) -> None:
    """Draw the intended load over time into a file, as "png" or "svg".

    Raises Problems where the file cannot be written.
    """
    figure = Figure(figsize=INCHES, layout="constrained")
    axes = figure.add_subplot()
    lasts_s = found.lasts_s
    load = found.load(POINTS)
    times = [lasts_s * (n + 0.5) / POINTS for n in range(POINTS)]
    axes.fill_between(times, load, step="mid", alpha=0.25, color="#3b7fd4")
    axes.step(times, load, where="mid", color="#3b7fd4", linewidth=1.2)
    for number, phase in enumerate(found.phases, 1):
        axes.axvline(phase.began_s, color="#888888", linewidth=0.6)
        axes.annotate(
            f" {number}",
            (phase.began_s, 1.0),
            xycoords=("data", "axes fraction"),
            va="bottom",
            fontsize=8,
            parse_math=False,
        )
    axes.set_xlim(0, max(lasts_s, 1e-3))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds, without what the phases take to settle")
    axes.set_ylabel("arrivals per second")
    names = ", ".join(f"{number} {one.name}" for number, one in enumerate(found.phases, 1))
    axes.set_title(f"{title}: {names}", fontsize=10, pad=18, parse_math=False)
    try:
        figure.savefig(path, format=ending, dpi=120)
    except OSError as error:
        raise Problems([f"{path}: {error.strerror}: name a file that can be written"]) from error
