"""The paper's own figures: Table I (settings selected) and Table II (results), as printed.

Fujimura, Imoto and Toda, "Discriminative Neighborhood Smoothing for Generative Anomalous Sound
Detection". DCASE 2021 Task 2: settings chosen on sections 0 to 2, results on sections 3 to 5.
"""

from collections.abc import Iterable
from typing import NamedTuple

from jax_dns.evaluation.metrics import harmonic_mean
from jax_dns.evaluation.tables import ALL

MACHINES = ("fan", "gearbox", "pump", "slider", "ToyCar", "ToyTrain", "valve")
DEV_SECTIONS, EVAL_SECTIONS = (0, 1, 2), (3, 4, 5)

# Table II's last column: the AUC of ToyCar in section 5, where SerialOE falls under the shift.
TOYCAR_5 = "ToyCar-5"
TOYCAR_5_PLACE = ("ToyCar", 5)


class Setting(NamedTuple):
    """A cell of Table I."""

    size: int  # clusters of the GMM, or K
    data: str  # "source" or "all"


def _settings(source: str) -> dict[str, dict[str, Setting]]:
    """Lines of machine type, then clusters or K and data of each of the three methods."""
    table = {}
    for line in source.strip().splitlines():
        machine, *cells = line.split()
        table[machine] = {
            method: Setting(int(size), data)
            for method, size, data in zip(
                ("SerialOE", "Proposed", "Proposed (Oracle)"), cells[::2], cells[1::2]
            )
        }
    return table


# Table I. The oracle of ToyCar-5 is in Table II's caption.
TABLE_ONE = _settings("""
    fan         2 source    512 source   1024 source
    gearbox    32 source   1024 all      2048 all
    pump        8 source    128 source   1024 source
    slider      4 all        64 source    128 source
    ToyCar      4 all       128 source   2048 all
    ToyTrain   16 source   1024 all       256 all
    valve       2 all       128 source   1024 source
""")
TOYCAR_5_ORACLE = Setting(128, "all")

# Table II, in percent: harmonic mean of AUC and pAUC (p = 0.1) over the sections of each machine
# type; the same over all machine types; AUC of ToyCar in section 5.
_COLUMNS = (*MACHINES, ALL, TOYCAR_5)
TABLE_TWO = {
    method: dict(zip(_COLUMNS, row))
    for method, row in {
        "SerialOE": (80.78, 60.77, 76.86, 81.49, 49.37, 55.06, 64.02, 64.72, 33.58),
        "AE": (57.11, 59.50, 54.70, 55.63, 58.61, 58.74, 51.27, 56.38, 72.87),
        "Proposed": (73.22, 64.42, 71.84, 69.13, 58.18, 55.91, 56.95, 63.52, 72.13),
        "Proposed (Oracle)": (74.56, 64.64, 74.76, 70.63, 63.09, 70.19, 73.28, 69.89, 77.29),
    }.items()
}


def setting(method: str, column: str) -> Setting | None:
    """Table I's setting of a method for a machine type, or ToyCar-5's; None where there is none.

    ToyCar-5 is ToyCar with ToyCar's settings, except for the oracle, which has its own.
    """
    if column == TOYCAR_5:
        if method == "Proposed (Oracle)":
            return TOYCAR_5_ORACLE
        column = TOYCAR_5_PLACE[0]
    return TABLE_ONE.get(column, {}).get(method)


def result(method: str, column: str, machines: Iterable[str] = MACHINES) -> float | None:
    """Table II's figure, a fraction of 1; None where there is none.

    Args:
      method: a row of Table II.
      column: a machine type, "All-hmean" or "ToyCar-5".
      machines: those that All-hmean is wanted over: of fewer than the paper's seven it is the
        harmonic mean of the paper's rounded figures, of others there is none.
    """
    row, wanted = TABLE_TWO.get(method, {}), set(machines)
    if column == ALL and wanted != set(MACHINES):
        known = bool(row) and wanted <= set(MACHINES)
        return harmonic_mean(row[machine] for machine in wanted) / 100 if known else None
    value = row.get(column)
    return None if value is None else value / 100
