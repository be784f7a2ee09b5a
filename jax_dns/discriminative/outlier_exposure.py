"""Outlier exposure alone: normal clips of the machine against those of others, without product IDs.

After Primus et al. 2020 (ref. [11]), with SerialOE's trunk and training: Eq. 3 with lambda_id = 0.
"""

from jax_dns.discriminative.mel_input import PAPERS_MEL, MelInput
from jax_dns.discriminative.recipe import PAPERS_RECIPE, Recipe
from jax_dns.discriminative.serial_oe import PAPERS_EXTRACTOR, ExtractorSettings, serial_oe
from jax_dns.types import Facts, GradientModel


def outlier_exposure(
    facts: Facts,
    *,
    mel: MelInput = PAPERS_MEL,
    net: ExtractorSettings = PAPERS_EXTRACTOR,
    recipe: Recipe = PAPERS_RECIPE,
) -> GradientModel:
    """Builds the component.

    Args:
      facts: of the data.
      mel: settings of the spectrogram.
      net: settings of the network.
      recipe: settings of the training.

    Returns:
      A gradient model trained on the target machine's clips against other machines' clips.

    Raises:
      InputError: what `serial_oe` refuses.
    """
    model = serial_oe(facts, mel=mel, net=net, recipe=recipe, lambda_id=0.0)
    return model._replace(name="OE")
