"""Eq. 7's smoothed score as evidence, while the adaptive rule finds that smoothing separates.

A section's known normals are parted at random into choosing and calibrating ones. At a look back
the rule compares the section's last clips with the choosing normals; where it finds that smoothing
separates them, it names K. From then on a new clip, and each calibrating normal, is averaged with
its K - 1 nearest among those last clips, and the smoothed score is the clip's third statistic.

While a normal clip is exchangeable with the calibrating normals, given the last clips and the
choosing normals, its p-value is valid: the choice of K, and whether to smooth at all, depends on
neither the clip nor the calibrating normals. Choosing with the calibrating normals would not be:
the rule would prefer the K at which they happen to score low.
"""

import json
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.distance import cdist

from jax_dns.monitor.decisions import combined_p, conformal_p
from jax_dns.monitor.history import History
from jax_dns.monitor.known_normals import KnownNormals
from jax_dns.smoothing.adaptive import FEWEST_KNOWN


class SmoothedEvidence(NamedTuple):
    """The clips that a section's new ones are smoothed over, and the normals to compare with.

    Attributes:
      k: K, the clip itself counted.
      scores: a_G of the last clips.
      features: mean feature of each of them.
      normals: of each calibrating normal the score, the distance and the smoothed score.
    """

    k: int
    scores: Float[np.ndarray, " c"]
    features: Float[np.ndarray, "c d"]
    normals: Float[np.ndarray, "r 3"]

    def p_values(
        self, score: float, distance: float, feature: Float[np.ndarray, " d"]
    ) -> tuple[float, float]:
        """Returns a clip's p-values: of its smoothed score, and of all three statistics together.

        Args:
          score: a_G of the clip.
          distance: of the clip to the known normals, as `clip_distance`.
          feature: its mean feature.
        """
        mean = smooth_over(
            np.asarray([score]), feature[None, :], self.scores, self.features, self.k
        )
        values = np.asarray([score, distance, mean[0]])
        return conformal_p(values[2], self.normals[:, 2]), combined_p(values, self.normals)


def smooth_over(
    scores: Float[np.ndarray, " q"],
    features: Float[np.ndarray, "q d"],
    pool_scores: Float[np.ndarray, " c"],
    pool_features: Float[np.ndarray, "c d"],
    k: int,
) -> Float[np.ndarray, " q"]:
    """Averages each clip's score with its K - 1 nearest's, of a pool that it isn't in (Eq. 7).

    Args:
      scores: [q] of the clips.
      features: [q, d].
      pool_scores: [c].
      pool_features: [c, d].
      k: K, the clip itself counted; where the pool has fewer than K - 1, all of it is averaged.
    """
    distances = cdist(features, pool_features, "sqeuclidean")
    nearest = np.argsort(distances, axis=1, kind="stable")[:, : k - 1]
    return (scores + pool_scores[nearest].sum(1)) / (1 + nearest.shape[1])


def part_normals(
    count: int, needed: int
) -> tuple[Int[np.ndarray, " a"], Int[np.ndarray, " b"]] | None:
    """Parts known normals at random, always in the same way.

    Args:
      count: of the known normals.
      needed: calibrating normals that an alarm needs, see `normals_needed`.

    Returns:
      Rows of the choosing and of the calibrating normals: one half each, but no fewer than `needed`
      of the latter. None where too few would be left for the rule to choose by.
    """
    calibrating = max(needed, count - count // 2)
    if count - calibrating < FEWEST_KNOWN:
        return None
    order = np.random.default_rng(0).permutation(count)
    return np.sort(order[calibrating:]), np.sort(order[:calibrating])


def choosing_normals(known: KnownNormals, needed: int) -> KnownNormals:
    """Returns the normals that the rule chooses by: all where they can't be parted."""
    parts = part_normals(len(known.features), needed)
    rows = np.arange(len(known.features)) if parts is None else parts[0]
    return KnownNormals(
        known.trained, known.scores[rows], known.distances[rows], known.features[rows]
    )


def store_choice(
    history: History,
    machine: str,
    section: int,
    k: int,
    clips: Int[np.ndarray, " c"],
    needed: int,
) -> bool:
    """Stores the outcome of a look back: K, and the clips to smooth over.

    Args:
      history: open.
      machine: the machine type.
      section: product ID.
      k: K; 1 where smoothing doesn't separate.
      clips: [c] their numbers.
      needed: calibrating normals that an alarm needs.

    Returns:
      Whether smoothing begins or ends by it.
    """
    before = _read_choice(history, machine, section)
    forget_choice(history, machine, section)
    if k > 1:
        content = json.dumps({"k": k, "clips": clips.tolist(), "needed": needed})
        row = _name(machine, section), content
        history.connection.execute("INSERT INTO meta VALUES (?, ?)", row)
    return (before is not None) != (k > 1)


def load_evidence(
    history: History, machine: str, section: int, known: KnownNormals, needed: int
) -> SmoothedEvidence | None:
    """Returns a section's smoothed evidence; None while Eq. 7's score isn't part of the evidence.

    Clips that people called normal are calibrating normals too, as they are of the other p-values.

    Args:
      history: open.
      machine: the machine type.
      section: product ID.
      known: its known normals.
      needed: calibrating normals that an alarm needs.
    """
    choice = _read_choice(history, machine, section)
    parts = part_normals(len(known.features), needed)
    # With another number the normals were parted otherwise when K was chosen.
    if choice is None or parts is None or choice["needed"] != needed:
        return None
    scores, _, features = clip_statistics(history, machine, section, choice["clips"])
    own_scores, own_distances = known.scores[parts[1]], known.distances[parts[1]]
    own_features = known.features[parts[1]]
    acknowledged = history.connection.execute(
        "SELECT clip.id FROM clip JOIN section ON section.id = clip.section "
        "WHERE machine = ? AND section.section = ? AND acknowledged = 'normal' ORDER BY clip.id",
        (machine, section),
    ).fetchall()
    if acknowledged:
        more = clip_statistics(history, machine, section, [number for (number,) in acknowledged])
        own_scores = np.concatenate([own_scores, more[0]])
        own_distances = np.concatenate([own_distances, more[1]])
        own_features = np.concatenate([own_features, more[2]])
    smoothed = smooth_over(own_scores, own_features, scores, features, choice["k"])
    normals = np.stack([own_scores, own_distances, smoothed], axis=1)
    return SmoothedEvidence(choice["k"], scores, features, normals)


def clip_statistics(
    history: History, machine: str, section: int, clips: list[int]
) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, " c"], Float[np.ndarray, "c d"]]:
    """Returns score, distance and mean feature of some clips, expired ones too."""
    rows = [
        history.connection.execute("SELECT score, distance FROM clip WHERE id = ?", (n,)).fetchone()
        for n in clips
    ]
    table = np.asarray(rows, np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1], history.mean_features(machine, section, clips)


def forget_choice(history: History, machine: str, section: int) -> None:
    """Takes the smoothed score out of a section's evidence, after maintenance for instance."""
    history.connection.execute("DELETE FROM meta WHERE name = ?", (_name(machine, section),))


def _read_choice(history: History, machine: str, section: int) -> dict | None:
    row = history.connection.execute(
        "SELECT value FROM meta WHERE name = ?", (_name(machine, section),)
    ).fetchone()
    return json.loads(row[0]) if row else None


def _name(machine: str, section: int) -> str:
    return f"smoothing of {machine} section {section}"
