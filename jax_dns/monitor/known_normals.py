"""The known normal clips of a section, which give a new clip's statistics their distribution."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jax_dns.errors import InputError
from jax_dns.monitor.decisions import clip_distance
from jax_dns.segments_file import Segments, clip_mean, clip_scores, clips_of


class KnownNormals(NamedTuple):
    """Normal clips of one section.

    Attributes:
      trained: features of the segments that the components were trained on; distances are measured
        to them.
      scores: a_G of the held-out clips.
      distances: of the held-out clips to `trained`, as `clip_distance`.
      features: mean feature of each held-out clip.
    """

    trained: Float[np.ndarray, "n d"]
    scores: Float[np.ndarray, " r"]
    distances: Float[np.ndarray, " r"]
    features: Float[np.ndarray, "r d"]

    def with_clips(
        self, scores: Float[np.ndarray, " a"], distances: Float[np.ndarray, " a"]
    ) -> "KnownNormals":
        """Adds clips that a person has acknowledged as normal to the held-out ones.

        They were looked at because they stood out, so p-values become larger, never too small.
        """
        return self._replace(
            scores=np.concatenate([self.scores, scores]),
            distances=np.concatenate([self.distances, distances]),
        )


def known_normals(segments: Segments, section: int, aggregate: str) -> KnownNormals:
    """Collects a section's known normals from a run's segments.

    Args:
      segments: of one machine type.
      section: product ID.
      aggregate: how a clip's segment scores become its score, see `clip_scores`.

    Raises:
      InputError: no training clips of the section, or none held out of them.
    """
    normal = segments.where((segments.section == section) & (segments.label == 0))
    train = normal.where(normal.split == "train")
    held_out = normal.where((normal.split == "valid") & np.isfinite(normal.score))
    for part, name in ((train, "train"), (held_out, "valid")):
        if not len(part.clip):
            sections = np.unique(segments.section[segments.split == name])
            raise InputError(
                f"section {section:02d}: no normal clips of the split {name}, expected one of the "
                f"sections {', '.join(f'{s:02d}' for s in sections)}"
            )
    clips = clips_of(held_out)
    distances = [
        clip_distance(held_out.feature[clips.row == i], train.feature)
        for i in range(len(clips.name))
    ]
    return KnownNormals(
        train.feature,
        clip_scores(clips, held_out.score, aggregate),
        np.asarray(distances),
        clip_mean(clips, held_out.feature),
    )
