"""How to read the report: its terms, named after the methods of the run."""

from collections.abc import Iterable

from jax_dns.evaluation.results import (
    ORACLE_SUFFIX,
    SMOOTHED_SUFFIX,
    MethodResult,
    baseline,
    methods_of,
)

ORACLE = ORACLE_SUFFIX.strip()
TERMS = (
    (
        "AUC, pAUC",
        "Area under the ROC curve: the share of pairs of an anomalous and a normal clip in which "
        "the anomalous one has the higher score; 50 % is guessing. pAUC counts false-positive "
        "rates up to 10 % only, standardised.",
    ),
    (
        "Harmonic mean, All-hmean",
        "The harmonic mean of AUC and pAUC is over the evaluation sections; All-hmean is that of "
        "the machine types. Several seeds: mean ± sample standard deviation.",
    ),
    (
        "Bold",
        f"The best value of its column and reading, or of its row by section; {ORACLE} rows are "
        "not compared.",
    ),
    (
        "Sections, domains",
        "A section is one product of the machine type. Source and target are the domains: "
        "operating conditions with many, and with few, training clips. Pooled: one AUC a section "
        "for the clips of both domains.",
    ),
    (
        "Rank",
        "A clip's place among all test clips of its section, 1 for the highest score. The clips "
        "shown are those whose rank changed most, as a share of their section, whatever their "
        "label.",
    ),
    ("Towards its label", "An anomalous clip that rose, or a normal clip that fell."),
    (
        "Spectrogram",
        "Mel bands of the recording's first 10 s, as the generative model takes them: the "
        "recording is standardised, in dB. All clips of a machine type share one colour scale.",
    ),
    (
        "Sound",
        "The first 10 s, each clip raised to the same peak; FLAC in small reports, else MP3 of "
        "80 kbit/s.",
    ),
    (
        "Score strip",
        "For clips longer than 10 s: the segments' scores over time, before smoothing above and "
        "after below; darker is more anomalous.",
    ),
)


def notes(results: Iterable[MethodResult]) -> list[tuple[str, str]]:
    """Returns terms and explanations, those of the run's methods first.

    Args:
      results: of one machine type.
    """
    results = list(results)
    first = baseline(results)
    explained = []
    for method in methods_of(results):
        result = next(r for r in results if r.method == method)
        if result is first:
            text = "The generative score a_G before smoothing; higher is more anomalous."
        elif method.endswith(SMOOTHED_SUFFIX):
            text = (
                f"The score of {method.removesuffix(SMOOTHED_SUFFIX)} smoothed as the generative "
                "score is; its setting is the best on the development sections."
            )
        elif result.is_baseline:
            text = "Another inlier model of the features f_D of normal sound, nothing to choose."
        elif result.oracle:
            score = first.method if first else "a_G"
            text = (
                f"{score} averaged over each segment and its nearest neighbours by the features "
                f"f_D. {result.parameter or 'The setting'} and the domains that neighbours come "
                f"from are those with the best result on the development sections; {ORACLE}: on "
                "the evaluation sections, which can't be known beforehand."
            )
            if result.parameter == "K":
                text += f" K counts the segment itself: K = 1 is {score}."
        elif result.is_fixed:
            text = (
                f"{first.method} smoothed as far as normal clips that were held out from training "
                "support it, without labels; the score itself where they don't."
            )
        else:
            text = (
                "An inlier model of the features f_D of normal sound; its setting is the best on "
                "the development sections."
            )
        explained.append((method, text))
    return [*explained, *TERMS]
