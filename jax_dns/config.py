"""Every field of a run, with the paper's values (Sec. IV.A and Table I).

A config file in configs/ starts from `get_config()` and changes what its experiment changes. The
sections generative, discriminative, inlier and smoothing name a component and hold its fields:

    c.generative = config.generative("idnn", n_mels=64, epochs=100)

A field that lists names in one string separates them by commas: `--config.data.machines=fan,pump`.
"""

from typing import Any

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the paper's settings; `data.root` is the user's to set."""
    c = ConfigDict()
    c.seeds = (0,)  # several: each trains in <workdir>/seed_<s>; tables show mean and deviation
    c.tensorboard = False  # event files beside metrics.jsonl (extra tb)
    c.profile = False  # a jax.profiler trace of each training's second epoch, in its profile/
    c.compilation_cache = True  # keep compiled programs in the user's cache folder
    c.synthetic = synthetic()
    c.data = data()
    c.generative = generative()
    c.discriminative = discriminative()
    c.inlier = inlier()
    c.smoothing = smoothing()
    c.evaluation = evaluation()
    return c.lock()


def synthetic() -> ConfigDict:
    """Returns the fields of the synthetic data set; see datasets/synthetic.py."""
    c = ConfigDict()
    c.make = False  # make it in <workdir>/synthetic, where data.root is empty
    c.seed = 0
    c.machines = "fan,gearbox,pump"
    c.sections = 6
    c.train_source = 1000  # clips a section
    c.train_target = 3
    c.test_normal = 100  # clips a section and domain
    c.test_anomaly = 100
    c.seconds = 10.0
    c.shift = 1.0  # size of the domain shift
    c.snr_db = 0.0  # machine over steady factory noise, dB
    c.background = "steady"  # or "shop": other machines start and stop, and people hammer
    return c


def data() -> ConfigDict:
    """Returns the fields of the recordings: where they are, which to use, and their format."""
    c = ConfigDict()
    c.root = ""  # folder of recordings
    c.layout = "auto"  # or a name in components.LAYOUTS, or "package.module:function"
    c.normal = ("normal",)  # layout "folders": names of the folders of normal recordings
    c.anomaly = ("anomaly", "abnormal")  # layout "folders": and of anomalous ones
    c.test_fraction = 0.3  # layout "folders": of the normal clips, where no split is given
    c.layout_seed = 0  # layouts "folders" and "mimii": chooses the normal test clips
    c.ground_truth = ""  # folder of ground_truth_*.csv; empty: searched for under root
    c.machines = ""  # machine types to run; empty: all that have test clips
    c.outliers = ""  # machine types that give outlier clips; empty: all others with training clips
    c.dev_sections = (0, 1, 2)  # used to choose hyperparameters
    c.eval_sections = (3, 4, 5)  # reported
    c.sample_rate = 16_000  # Hz
    c.resample = False  # convert other sample rates; otherwise they are an error
    c.channel = -1  # the channel to take; -1: recordings must be mono
    c.skip_corrupt = False  # leave unusable recordings out and list them; otherwise an error
    c.standardise = "recording"  # or "machine": mean and variance of its training clips
    c.segment_seconds = 4.0
    c.segment_hop_seconds = 1.0  # between test segments: seven of 4 s in 10 s
    c.train_fraction = 0.85  # of the source domain; of three target clips two train
    c.cache = ""  # folder of decoded recordings that workdirs share; empty: one in each workdir
    c.cache_on_device = "auto"  # training recordings in device memory, an epoch one program: "yes",
    # "no", or "auto", on accelerators where they fit
    return c


def training(
    *, epochs: int, batch_size: int, validate_every: int, save_every: int
) -> dict[str, Any]:
    """Returns the fields of a training, which every gradient model has."""
    return dict(
        epochs=epochs,
        batch_size=batch_size,  # segments
        checkpoint="last",  # or "best": the lowest validation loss
        validate_every=validate_every,  # epochs
        save_every=save_every,  # epochs
    )


def generative(name: str = "autoencoder", **fields: Any) -> ConfigDict:
    """Returns the fields of a_G: its training, and those of the component named."""
    c = ConfigDict(
        dict(
            name=name,
            **training(epochs=1500, batch_size=16, validate_every=10, save_every=100),
            vmap_runs="auto",  # all machine types and seeds in one program: "yes", "no", or
            # "auto", on accelerators
        )
    )
    if name == "autoencoder":
        c.n_fft = 1024  # samples, 64 ms
        c.hop_length = 512  # samples, 32 ms
        c.n_mels = 128
        c.fmin = 50.0  # Hz
        c.fmax = 7800.0  # Hz
        c.frames = 5  # adjacent frames in a window
        c.learning_rate = 1e-3
        c.bn_momentum = 0.99
    c.update(fields)
    return c


def discriminative(name: str = "serial_oe", **fields: Any) -> ConfigDict:
    """Returns the fields of f_D: its training, and those of the component named."""
    c = ConfigDict(
        dict(
            name=name,
            **training(epochs=150, batch_size=128, validate_every=5, save_every=10),
            eval_batch_size=64,  # segments in a batch of scoring and validation
        )
    )
    if name == "serial_oe":
        c.n_fft = 2048  # samples, 128 ms
        c.hop_length = 256  # samples, 16 ms
        c.n_mels = 224
        c.fmin = 50.0  # Hz
        c.fmax = 7800.0  # Hz
        c.power = 1.0  # magnitude; 2.0 for power
        c.log = False  # dB of the above
        c.mel_scale = "htk"  # bands of equal height; or "slaney": bands of equal area
        c.normalize_stft = True  # divide the STFT by the window's root energy
        c.dtype = "float32"  # of the computation; with "bfloat16" parameters stay float32
        c.in_channels = 1  # 3 repeats the spectrogram, as the authors' code does
        c.feature_dim = 128
        c.dropout = 0.3
        c.head = "linear"  # or "norm": g_mac on ||f||^2 / feature_dim
        c.initial_weights = ""  # a timm state dict of tf_efficientnet_b0; empty: random
        c.learning_rate = 1e-3  # OneCycle's peak
        c.weight_decay = 0.0
        c.lambda_id = 5.0
        c.mask_outliers = False  # leave outliers out of Eq. 6
        c.mixup_alpha = 0.2
        c.bn_momentum = 0.99
    c.update(fields)
    return c


def inlier(name: str = "gmm", **fields: Any) -> ConfigDict:
    """Returns the fields of h, one model for each section."""
    c = ConfigDict()
    c.name = name
    c.data = "source,all"  # domains of the training clips to choose from
    c.split = "train"  # or "valid": the training clips that it is fitted on
    if name == "gmm":
        c.n_components = (1, 2, 4, 8, 16, 32)  # clusters to choose from
        c.reg_covar = 1e-6
    c.update(fields)
    return c


def smoothing(name: str = "uniform", **fields: Any) -> ConfigDict:
    """Returns the fields of the smoothing rule, and how the paper's Y and F are read."""
    c = ConfigDict()
    c.name = name
    c.data = "source,all"  # pools to choose from: the domains whose items may be neighbours
    c.unit = "segment"  # or "clip": average over a clip's segments first
    c.groups = "section"  # or "machine": neighbours from all sections
    c.history = "split"  # with groups=machine: development and evaluation apart; or "all"
    c.aggregate = "mean"  # of a clip's segment scores; "max", "top" (a fifth): for short faults
    c.outside_pool = "smooth"  # or "keep": items outside the pool keep a_G
    c.adaptive = True  # also a row whose K the held-out training clips choose, without labels
    c.adaptive_gate = 2.5  # Delta / s that a K must reach there, or a_G is kept; 3 is stricter
    c.transform = "none"  # of a_G before: "rank" or "gaussian" (its quantiles) in the group, "log"
    if name == "uniform":
        c.ks = tuple(2**i for i in range(12))  # 1 ... 2,048, as far as every section's pool allows
        c.metric = "euclidean"  # or "cosine"
        c.same_clip = True  # a segment's neighbours may be of its own clip
    c.update(fields)
    return c


def evaluation() -> ConfigDict:
    """Returns the fields of tables and figures."""
    c = ConfigDict()
    c.fixed_ks = ()  # settings of the smoothing rule also shown, by section and domain
    c.fixed_components = ()  # settings of the inlier model also shown, by section and domain
    c.baselines = ("knn", "mahalanobis")  # inlier models on f_D whose rows are shown too; each, and
    # the discriminative score, also smoothed; empty: none of these rows
    c.figures = True  # K curves, and UMAP before and after smoothing (extra viz)
    c.umap_fraction = 0.3  # of the segments shown
    c.report = True  # report.html, to look at and listen to (extra viz)
    return c


MAKERS = {
    "generative": generative,
    "discriminative": discriminative,
    "inlier": inlier,
    "smoothing": smoothing,
}
DEFAULTS = {kind: make().to_dict() for kind, make in MAKERS.items()}
# Fields of a section that every component of its kind has.
COMMON_FIELDS = {kind: frozenset(make("").keys()) for kind, make in MAKERS.items()}

RENAMED = {
    "ae": "generative",
    "extractor": "discriminative",
    "factory": "synthetic",
    "ae.together": "generative.vmap_runs",
    "ae.keep": "generative.checkpoint",
    "ae.window_hop": "generative.hop_length",
    "extractor.keep": "discriminative.checkpoint",
    "extractor.window_hop": "discriminative.hop_length",
    "extractor.embed_batch_size": "discriminative.eval_batch_size",
    "extractor.n_channels": "discriminative.in_channels",
    "extractor.divide_by_window": "discriminative.normalize_stft",
    "data.on_device": "data.cache_on_device",
    "data.segment": "data.segment_seconds",
    "data.hop": "data.segment_hop_seconds",
    "inlier.components": "inlier.n_components",
    "inlier.regularisation": "inlier.reg_covar",
    "evaluation.umap_share": "evaluation.umap_fraction",
}
REMOVED = {
    "discriminative.drop_path": "EfficientNet-B0 is trained without stochastic depth",
    "extractor.drop_path": "EfficientNet-B0 is trained without stochastic depth",
    "extractor.mel_norm": "discriminative.mel_scale sets both the scale and the area of the bands",
    "extractor.mixup_probability": "discriminative.mixup_alpha = 0 turns mixup off",
}


def new_name(old: str) -> str | None:
    """Tells what became of a field of an earlier version.

    Args:
      old: the field's dotted name, "ae.keep" for instance.

    Returns:
      "config.ae.keep is now config.generative.checkpoint", or None for an unknown name.
    """
    if old in REMOVED:
        return f"config.{old} is gone: {REMOVED[old]}"
    if old in RENAMED:
        return f"config.{old} is now config.{RENAMED[old]}"
    section, dot, field = old.partition(".")
    if dot and section in RENAMED:
        return f"config.{old} is now config.{RENAMED[section]}.{field}"
    return None
