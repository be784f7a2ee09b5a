"""PyTorch's side of `bench_training.py`, and librosa's: the same work as `jax_engines.py`.

Written as a user of PyTorch would: channels last, fused optimisers, no gradient where none is
needed, one copy of the window and the mel bank. With `Sizes.compiled` the network or the features
go through `torch.compile`; bfloat16 is autocast.
"""

import contextlib
import functools
from collections.abc import Callable

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from sizes import (
    CLIP_SECONDS,
    FEATURE_CLIPS,
    MACHINES,
    Sizes,
    labels,
    load_config,
    noise,
    recordings,
    segment_noise,
    spectrograms,
    windows,
)
from torch_networks import DEVICE, Extractor, Features, autoencoder, mel_kind

Call = Callable[[], object]
# JAX's default on GPUs, where float32 products and convolutions are taken in TF32.
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
torch.backends.cudnn.benchmark = True


def _autocast(sizes: Sizes):
    if sizes.dtype == "float32":
        return contextlib.nullcontext()
    return torch.autocast(DEVICE, torch.bfloat16)


def _maybe_compiled(function, sizes: Sizes):
    return torch.compile(function) if sizes.compiled else function


def _on_device(*arrays: np.ndarray):
    tensors = tuple(torch.from_numpy(array).to(DEVICE) for array in arrays)
    return tensors if len(tensors) > 1 else tensors[0]


def _waiting(function) -> Call:
    def call() -> None:
        function()
        if DEVICE == "cuda":
            torch.cuda.synchronize()

    return call


def _ae_stepper(sizes: Sizes, psi) -> Callable:
    net = autoencoder()
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)

    @functools.partial(_maybe_compiled, sizes=sizes)
    def loss_of(given):
        x = psi(given)
        return (x - net(x)).square().mean(-1).mean()

    def step(given) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss_of(given).backward()
        optimiser.step()

    return step


def ae_step(sizes: Sizes) -> Call:
    config = load_config(sizes)
    psi = functools.partial(Features(config, "ae").windows, frames=config.ae.frames)
    audio = _on_device(segment_noise(config, config.ae.batch_size))
    step = _ae_stepper(sizes, psi)
    return _waiting(lambda: step(audio))


def ae_windows_step(sizes: Sizes) -> Call:
    given, step = _on_device(windows(load_config(sizes))), _ae_stepper(sizes, lambda x: x)
    return _waiting(lambda: step(given))


def ae_serial(sizes: Sizes) -> Call:
    config = load_config(sizes)
    psi = functools.partial(Features(config, "ae").windows, frames=config.ae.frames)
    audio = _on_device(segment_noise(config, MACHINES, config.ae.batch_size))
    each = [_ae_stepper(sizes, psi) for _ in range(MACHINES)]
    return _waiting(lambda: [step(own) for step, own in zip(each, audio)])


def ae_epoch(sizes: Sizes) -> Call:
    """Random crops of a file of recordings, read by the loop itself."""
    config = load_config(sizes)
    psi = functools.partial(Features(config, "ae").windows, frames=config.ae.frames)
    step, samples = _ae_stepper(sizes, psi), recordings(sizes, config)
    segment, batch = round(config.data.segment * config.data.sample_rate), config.ae.batch_size
    rng = np.random.default_rng(0)

    def epoch() -> None:
        order = np.resize(rng.permutation(len(samples)), -(-len(samples) // batch) * batch)
        for rows in order.reshape(-1, batch):
            starts = rng.integers(0, samples.shape[1] - segment + 1, batch)
            crops = [samples[row, s : s + segment] for row, s in zip(rows, starts)]
            step(_on_device(np.stack(crops)).float() * 1e-3)

    return _waiting(epoch)


def _mixup(*arrays):
    n = len(arrays[0])
    weight = torch.distributions.Beta(0.2, 0.2).sample((n,)).to(DEVICE)
    partner = torch.randperm(n, device=DEVICE)
    shaped = [(x, weight.view(n, *[1] * (x.ndim - 1))) for x in arrays]
    return [w * x + (1 - w) * x[partner] for x, w in shaped]


def _extractor(sizes: Sizes, config) -> Extractor:
    net = Extractor(config.extractor.feature_dim, config.extractor.dropout)
    return net.to(DEVICE).to(memory_format=torch.channels_last)


def _extractor_stepper(sizes: Sizes, config, given: np.ndarray, psi) -> Call:
    net = _extractor(sizes, config)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1e-3, total_steps=10**6)
    given, machine, section = _on_device(given, *labels(sizes.batch))

    @functools.partial(_maybe_compiled, sizes=sizes)
    def loss_of(x, machine, section):
        spectrogram = psi(x)
        with _autocast(sizes):
            _, machine_logit, section_logit = net(spectrogram)
        bce = F.binary_cross_entropy_with_logits
        return bce(machine_logit.float(), machine) + 5 * bce(section_logit.float(), section)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        loss_of(*_mixup(given, machine, section)).backward()
        optimiser.step()
        schedule.step()

    return _waiting(step)


def extractor_step(sizes: Sizes) -> Call:
    config = load_config(sizes)
    return _extractor_stepper(sizes, config, spectrograms(config, sizes.batch), lambda x: x)


def extractor_audio_step(sizes: Sizes) -> Call:
    config = load_config(sizes)
    psi = Features(config, "extractor")
    return _extractor_stepper(sizes, config, segment_noise(config, sizes.batch), psi)


def extractor_forward(sizes: Sizes) -> Call:
    config = load_config(sizes)
    given = _on_device(spectrograms(config, sizes.batch))
    net = _maybe_compiled(_extractor(sizes, config).eval(), sizes)

    def forward() -> None:
        with torch.inference_mode(), _autocast(sizes):
            net(given)

    return _waiting(forward)


def embed(sizes: Sizes) -> Call:
    config = load_config(sizes)
    psi_ae, psi = Features(config, "ae"), Features(config, "extractor")
    ae, extractor = autoencoder().eval(), _extractor(sizes, config).eval()
    audio = _on_device(segment_noise(config, config.extractor.embed_batch_size))

    @functools.partial(_maybe_compiled, sizes=sizes)
    def both(audio):
        x = psi_ae.windows(audio, config.ae.frames)
        score = (x - ae(x)).square().mean(-1).reshape(len(audio), -1).mean(-1)
        return score, extractor(psi(audio))[0]

    def forward() -> None:
        with torch.inference_mode(), _autocast(sizes):
            both(audio)

    return _waiting(forward)


def _features(sizes: Sizes, part: str) -> Call:
    config = load_config(sizes)
    features = _maybe_compiled(Features(config, part), sizes)
    audio = _on_device(noise(FEATURE_CLIPS, CLIP_SECONDS * config.data.sample_rate))

    def call() -> None:
        with torch.inference_mode():
            features(audio)

    return _waiting(call)


def _librosa_features(sizes: Sizes, part: str) -> Call:
    config = load_config(sizes)
    c, (htk, norm) = config[part], mel_kind(config[part], part)
    audio = noise(FEATURE_CLIPS, CLIP_SECONDS * config.data.sample_rate)
    options = dict(
        sr=config.data.sample_rate,
        n_fft=c.n_fft,
        hop_length=c.window_hop,
        n_mels=c.n_mels,
        fmin=c.fmin,
        fmax=c.fmax,
        htk=htk,
        norm=norm,
        pad_mode="reflect",
        power=2.0 if part == "ae" else 1.0,
    )

    def call() -> None:
        for clip in audio:
            mel = librosa.feature.melspectrogram(y=clip, **options)
            if part == "ae":
                10 * np.log10(np.maximum(mel, 2.2e-16))

    return call


def matmul(sizes: Sizes) -> Call:
    size = 2048 if DEVICE == "cpu" else 8192
    a = _on_device(noise(size, size)).to(getattr(torch, sizes.dtype))
    return _waiting(lambda: a @ a)


WORKLOADS = {
    "matmul": matmul,
    "AE step": ae_step,
    "AE step from windows": ae_windows_step,
    "extractor step": extractor_step,
    "extractor step from audio": extractor_audio_step,
    "extractor forward": extractor_forward,
    "embedding": embed,
    "features of the AE": functools.partial(_features, part="ae"),
    "features of the extractor": functools.partial(_features, part="extractor"),
    "features of the AE, librosa": functools.partial(_librosa_features, part="ae"),
    "features of the extractor, librosa": functools.partial(_librosa_features, part="extractor"),
    "AE of 7 machines": ae_serial,
    "AE epoch": ae_epoch,
}


def device() -> str:
    name = torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu"
    return f"torch {torch.__version__} on {name}"


def device_peak() -> float | None:
    """MiB that the device held at most; None on CPU, whose memory is the process's."""
    return torch.cuda.max_memory_allocated() / 2**20 if DEVICE == "cuda" else None
