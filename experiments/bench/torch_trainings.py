"""PyTorch's trainings of the training benchmark.

Written as a user of PyTorch would: channels last, fused optimisers. `Workload.compiled` passes the
loss through `torch.compile`; bfloat16 is autocast.
"""

import functools
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from inputs import (
    N_MACHINES,
    Workload,
    labels,
    noise,
    read_settings,
    recordings,
    spectrogram_noise,
    window_noise,
)
from torch_networks import (
    DEVICE,
    ae_features,
    autoencoder,
    extractor_features,
    new_extractor,
)
from torch_runtime import Call, autocast, maybe_compile, synchronised, to_device


def ae_stepper(workload: Workload, to_windows: Callable) -> Callable:
    """Returns a training step of a new autoencoder, which takes the input of `to_windows`."""
    net = autoencoder()
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)

    @functools.partial(maybe_compile, workload=workload)
    def loss_of(batch):
        x = to_windows(batch)
        return (x - net(x)).square().mean(-1).mean()

    def step(batch) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss_of(batch).backward()
        optimiser.step()

    return step


def ae_step(workload: Workload) -> Call:
    """Times a step of the autoencoder from audio."""
    settings = read_settings(workload.config)
    to_windows = functools.partial(ae_features(settings).windows, frames=settings.ae_frames)
    audio = to_device(noise(settings.ae_batch, settings.segment))
    step = ae_stepper(workload, to_windows)
    return synchronised(lambda: step(audio))


def ae_windows_step(workload: Workload) -> Call:
    """Times a step of the autoencoder from windows."""
    windows = to_device(window_noise(read_settings(workload.config)))
    step = ae_stepper(workload, lambda x: x)
    return synchronised(lambda: step(windows))


def ae_serial(workload: Workload) -> Call:
    """Times a step of each machine type's autoencoder, one after the other."""
    settings = read_settings(workload.config)
    to_windows = functools.partial(ae_features(settings).windows, frames=settings.ae_frames)
    audio = to_device(noise(N_MACHINES, settings.ae_batch, settings.segment))
    steps = [ae_stepper(workload, to_windows) for _ in range(N_MACHINES)]
    return synchronised(lambda: [step(batch) for step, batch in zip(steps, audio)])


def ae_epoch(workload: Workload) -> Call:
    """Times an epoch over random crops of a file of recordings, read by the loop itself."""
    settings = read_settings(workload.config)
    to_windows = functools.partial(ae_features(settings).windows, frames=settings.ae_frames)
    step, samples = ae_stepper(workload, to_windows), recordings(workload, settings)
    segment, batch_size = settings.segment, settings.ae_batch
    rng = np.random.default_rng(0)

    def epoch() -> None:
        n_steps = -(-len(samples) // batch_size)
        order = np.resize(rng.permutation(len(samples)), n_steps * batch_size)
        for rows in order.reshape(-1, batch_size):
            starts = rng.integers(0, samples.shape[1] - segment + 1, batch_size)
            crops = [samples[row, start : start + segment] for row, start in zip(rows, starts)]
            step(to_device(np.stack(crops)).float() * 1e-3)

    return synchronised(epoch)


def mixup(*arrays):
    """Mixes every item with another, lambda ~ Beta(0.2, 0.2), the same for all arrays."""
    n = len(arrays[0])
    weight = torch.distributions.Beta(0.2, 0.2).sample((n,)).to(DEVICE)
    partner = torch.randperm(n, device=DEVICE)
    shaped = [(x, weight.view(n, *[1] * (x.ndim - 1))) for x in arrays]
    return [w * x + (1 - w) * x[partner] for x, w in shaped]


def extractor_stepper(workload: Workload, inputs: np.ndarray, to_spectrograms: Callable) -> Call:
    """Returns a training step of a new extractor on one batch."""
    net = new_extractor(read_settings(workload.config))
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1e-3, total_steps=10**6)
    batch = to_device(inputs, *labels(workload.batch))

    @functools.partial(maybe_compile, workload=workload)
    def loss_of(x, machine, section):
        spectrograms = to_spectrograms(x)
        with autocast(workload):
            _, machine_logit, section_logit = net(spectrograms)
        cross_entropy = F.binary_cross_entropy_with_logits
        machine_loss = cross_entropy(machine_logit.float(), machine)
        return machine_loss + 5 * cross_entropy(section_logit.float(), section)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        loss_of(*mixup(*batch)).backward()
        optimiser.step()
        schedule.step()

    return synchronised(step)


def extractor_step(workload: Workload) -> Call:
    """Times a step of the extractor from spectrograms."""
    spectrograms = spectrogram_noise(read_settings(workload.config), workload.batch)
    return extractor_stepper(workload, spectrograms, lambda x: x)


def extractor_audio_step(workload: Workload) -> Call:
    """Times a step of the extractor from audio."""
    settings = read_settings(workload.config)
    audio = noise(workload.batch, settings.segment)
    return extractor_stepper(workload, audio, extractor_features(settings))
