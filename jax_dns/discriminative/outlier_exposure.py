"""Outlier exposure alone: normal clips of the machine against those of others, without product IDs.

After Primus et al. 2020 (ref. [11]), with SerialOE's trunk and training: Eq. 3 with lambda_id = 0.
"""

from typing import Any

from jax_dns.discriminative.serial_oe import serial_oe
from jax_dns.errors import InputError
from jax_dns.types import Facts, GradientModel

UNUSED = {"lambda_id": 5.0, "mask_outliers": False}  # SerialOE's fields of L_id, and its defaults


def outlier_exposure(facts: Facts, **fields: Any) -> GradientModel:
    """Builds the component.

    Args:
      facts: of the data.
      **fields: those of `serial_oe` without those of L_id.

    Returns:
      A gradient model trained on the target machine's clips against other machines' clips.

    Raises:
      InputError: a field of L_id that was changed, and what `serial_oe` refuses.
    """
    for name, default in UNUSED.items():
        if fields.pop(name, default) != default:
            raise InputError(f"{name}: expected none, outlier exposure alone has no L_id")
    return serial_oe(facts, lambda_id=0.0, **fields)._replace(name="OE")
