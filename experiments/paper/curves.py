"""Draws Fig. 5: the mean over draws, and a band of their standard deviation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from paper.clip_draws import AE, ORACLE

STYLES = {AE: ("#D55E00", "--"), ORACLE: ("#0072B2", "-")}  # Okabe and Ito's colours
MAX_COLUMNS = 4  # panels side by side

# Method -> machine type, and All-hmean of several -> [draws, fractions], fractions of 1.
Curves = Mapping[str, Mapping[str, Float[np.ndarray, "draws fractions"]]]


def draw_curves(curves: Curves, fractions: Sequence[float], title: str) -> Any:
    """Draws a panel for each machine type; returns a matplotlib figure."""
    from matplotlib.figure import Figure

    machines = list(next(iter(curves.values())))
    n_rows = -(-len(machines) // MAX_COLUMNS)
    n_columns = -(-len(machines) // n_rows)
    figure = Figure(figsize=(max(5.5, 2.9 * n_columns), 1 + 2.5 * n_rows), layout="constrained")
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    x = 100 * np.asarray(fractions)
    for axes, machine in zip(panels, machines):
        for method, by_machine in curves.items():
            colour, line = STYLES[method]
            y = 100 * by_machine[machine]
            mean = y.mean(0)
            axes.plot(x, mean, line, color=colour, label=method)
            if len(y) > 1:
                band = y.std(0, ddof=1)
                axes.fill_between(x, mean - band, mean + band, color=colour, alpha=0.2, linewidth=0)
        axes.set_title(machine, fontsize=10)
        axes.set(xlim=(0, 100), xticks=range(0, 101, 20), xlabel="clips used [%]")
        axes.grid(alpha=0.3)
    for axes in panels[::n_columns]:
        axes.set_ylabel("hmean of AUC and pAUC [%]")
    for axes in panels[len(machines) :]:
        axes.set_axis_off()
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False
    )
    figure.suptitle(title, fontsize=10)
    return figure
