"""Every field of a run, with the paper's values (Sec. IV.A and Table I).

A config file in configs/ starts from `get_config()` and changes what its experiment changes. Fields
that hold a list in one string take commas: `--config.data.machines=fan,pump`.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """The paper's settings; `data.root` is the user's to name."""
    c = ConfigDict()
    c.seeds = (0,)  # several: each trains in <workdir>/seed_<s>, tables show mean and deviation
    c.tensorboard = False  # event files beside metrics.jsonl (extra tb)
    c.profile = False  # a jax.profiler trace of each training's second epoch, in its profile/
    c.compilation_cache = True  # keep compiled programs in the user's cache folder
    c.factory = factory()
    c.data = data()
    c.ae = autoencoder()
    c.extractor = extractor()
    c.inlier = inlier()
    c.smoothing = smoothing()
    c.evaluation = evaluation()
    return c


def factory() -> ConfigDict:
    """The embedded data set, made first where `make` is set; see data/synthetic.py."""
    c = ConfigDict()
    c.make = False  # make it in <workdir>/factory, where data.root is empty
    c.seed = 0
    c.machines = "fan,gearbox,pump"
    c.sections = 6
    c.train_source = 1000  # clips a section
    c.train_target = 3
    c.test_normal = 100  # clips a section and domain
    c.test_anomaly = 100
    c.seconds = 10.0
    c.shift = 1.0  # size of the domain discrepancy
    c.snr_db = 0.0  # machine over factory noise, dB
    return c


def data() -> ConfigDict:
    """Recordings: where, which, and what they must be."""
    c = ConfigDict()
    c.root = ""  # a folder in the DCASE 2021 layout
    c.ground_truth = ""  # folder of ground_truth_*.csv; empty: looked for under root
    c.machines = ""  # machine types to run; empty: all that have test clips
    c.outliers = ""  # machine types that give outlier clips; empty: all others with training clips
    c.dev_sections = (0, 1, 2)  # choose hyperparameters
    c.eval_sections = (3, 4, 5)  # are reported
    c.sample_rate = 16_000  # Hz
    c.resample = False  # convert other rates rather than stop
    c.channel = -1  # -1: recordings must be mono; else the channel to take
    c.skip_corrupt = False  # leave unusable recordings out, and say which, rather than stop
    c.standardise = "recording"  # or "machine": one mean and variance from its training clips
    c.segment = 4.0  # s
    c.hop = 1.0  # s between test segments: seven of 4 s in 10 s
    c.train_fraction = 0.85  # of the source domain; of three target clips two train
    c.on_device = "auto"  # training recordings in the device's memory: "yes", "no", or where
    # they fit, on accelerators; an epoch is then one program
    return c


def autoencoder() -> ConfigDict:
    """The generative side: psi, f_G and its training."""
    c = ConfigDict()
    c.n_fft = 1024  # samples, 64 ms
    c.window_hop = 512  # samples, 32 ms
    c.n_mels = 128
    c.fmin = 50.0  # Hz
    c.fmax = 7800.0  # Hz
    c.frames = 5  # adjacent frames in a window
    c.epochs = 1500
    c.batch_size = 16  # segments
    c.learning_rate = 1e-3
    c.bn_momentum = 0.99
    c.keep = "last"  # or "best": the lowest validation loss
    c.validate_every = 10  # epochs
    c.save_every = 100  # epochs
    c.together = "auto"  # all machine types and seeds as one program: "yes", "no", accelerators
    return c


def extractor() -> ConfigDict:
    """The discriminative side: psi, f_D, the heads and their training."""
    c = ConfigDict()
    c.n_fft = 2048  # samples, 128 ms
    c.window_hop = 256  # samples, 16 ms
    c.n_mels = 224
    c.fmin = 50.0  # Hz
    c.fmax = 7800.0  # Hz
    c.power = 1.0  # magnitude; 2.0 for power
    c.log = False  # dB of the above
    c.mel_scale = "htk"  # or "slaney"
    c.mel_norm = "none"  # or "slaney": bands of equal area
    c.divide_by_window = True  # the STFT over the window's root energy
    c.dtype = "float32"  # of the computation; "bfloat16" keeps parameters and statistics float32
    c.n_channels = 1  # 3 repeats the spectrogram, as the authors' code does
    c.feature_dim = 128
    c.dropout = 0.3
    c.drop_path = 0.0
    c.head = "linear"  # or "norm": g_mac on ||f||^2 / feature_dim
    c.initial_weights = ""  # a timm state dict of tf_efficientnet_b0; empty: random
    c.epochs = 150
    c.batch_size = 128  # segments, half of them outliers
    c.learning_rate = 1e-3  # OneCycle's peak
    c.weight_decay = 0.0
    c.lambda_id = 5.0
    c.mask_outliers = False  # leave outliers out of Eq. 6
    c.mixup_alpha = 0.2
    c.mixup_probability = 1.0
    c.bn_momentum = 0.99
    c.keep = "last"  # or "best"
    c.validate_every = 5  # epochs
    c.save_every = 10  # epochs
    c.embed_batch_size = 64  # segments in a batch of scoring and validation
    return c


def inlier() -> ConfigDict:
    """h: one Gaussian mixture a section."""
    c = ConfigDict()
    c.components = (1, 2, 4, 8, 16, 32)  # clusters to choose from
    c.data = "source,all"  # training clips' domains to choose from
    c.split = "train"  # or "valid": the training clips it is fitted on
    c.regularisation = 1e-6
    return c


def smoothing() -> ConfigDict:
    """Eq. 7."""
    c = ConfigDict()
    c.ks = tuple(2**i for i in range(12))  # 1 ... 2,048, as far as every section's pool allows
    c.data = "source,all"  # pools to choose from: the domains whose items may be neighbours
    c.unit = "segment"  # or "clip": average over a clip's segments first
    c.groups = "section"  # or "machine": neighbours from all sections
    c.history = "split"  # with groups=machine, development and evaluation apart; or "all"
    c.outside_pool = "smooth"  # or "keep": items outside the pool keep a_G
    c.metric = "euclidean"  # or "cosine"
    c.same_clip = True  # a segment's neighbours may be of its own clip; False: of other clips
    return c


def evaluation() -> ConfigDict:
    """Tables and figures."""
    c = ConfigDict()
    c.fixed_ks = ()  # also shown, by section and domain
    c.fixed_components = ()  # also shown, by section and domain
    c.figures = True  # K curves, and UMAP before and after smoothing (extra viz)
    c.umap_share = 0.3  # of the segments shown
    c.report = True  # report.html, to look at and listen to (extra viz)
    return c
