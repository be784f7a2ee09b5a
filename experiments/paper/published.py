"""The paper's Table I (settings selected) and Table II (results), as printed.

Fujimura, Imoto and Toda, "Discriminative Neighborhood Smoothing for Generative Anomalous Sound
Detection". DCASE 2021 Task 2; settings chosen on sections 0 to 2, results on sections 3 to 5.
"""

from collections.abc import Iterable
from typing import NamedTuple

from jax_dns.evaluation.metrics import harmonic_mean
from jax_dns.evaluation.tables import ALL

MACHINES = ("fan", "gearbox", "pump", "slider", "ToyCar", "ToyTrain", "valve")
DEV_SECTIONS, EVAL_SECTIONS = (0, 1, 2), (3, 4, 5)
ORACLE = "Proposed (Oracle)"

# Table II's last column: the AUC of ToyCar in section 5, where SerialOE fails under the shift.
TOYCAR_5 = "ToyCar-5"
TOYCAR_5_MACHINE, TOYCAR_5_SECTION = "ToyCar", 5


class Setting(NamedTuple):
    """A cell of Table I."""

    value: int  # K, or clusters of the GMM
    data: str  # "source" or "all"


def _parse_settings(text: str) -> dict[str, dict[str, Setting]]:
    """Parses lines of a machine type, then value and data for each of three methods."""
    table = {}
    for line in text.strip().splitlines():
        machine, *cells = line.split()
        table[machine] = {
            method: Setting(int(value), data)
            for method, value, data in zip(
                ("SerialOE", "Proposed", ORACLE), cells[::2], cells[1::2]
            )
        }
    return table


# Table I. The oracle of ToyCar-5 is in Table II's caption.
TABLE_ONE = _parse_settings("""
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
        ORACLE: (74.56, 64.64, 74.76, 70.63, 63.09, 70.19, 73.28, 69.89, 77.29),
    }.items()
}


def setting(method: str, column: str) -> Setting | None:
    """Returns Table I's setting of a method for a machine type or ToyCar-5; None without one.

    ToyCar-5 has ToyCar's settings, except for the oracle, which has its own.
    """
    if column == TOYCAR_5:
        if method == ORACLE:
            return TOYCAR_5_ORACLE
        column = TOYCAR_5_MACHINE
    return TABLE_ONE.get(column, {}).get(method)


def result(method: str, column: str, machines: Iterable[str] = MACHINES) -> float | None:
    """Returns Table II's result, a fraction of 1; None without one.

    Args:
      method: a row of Table II.
      column: a machine type, "All-hmean" or "ToyCar-5".
      machines: the machine types that All-hmean is over. For some of the paper's seven it is the
        harmonic mean of the paper's rounded results; with others among them there is none.
    """
    row, machines = TABLE_TWO.get(method, {}), set(machines)
    if column == ALL and machines != set(MACHINES):
        known = bool(row) and machines <= set(MACHINES)
        return harmonic_mean(row[machine] for machine in machines) / 100 if known else None
    value = row.get(column)
    return None if value is None else value / 100
