"""The networks and features of this project in PyTorch, for `torch_rivals.py`."""

import sys
from pathlib import Path

import librosa
import torch
from sizes import SECTIONS
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "golden"))
from make_efficientnet import seeded_state, torch_b0  # the net whose outputs the tests hold

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class Trunk(nn.Module):
    """EfficientNet-B0 of one channel: `torch_b0` with its entries as parameters and buffers."""

    def __init__(self) -> None:
        super().__init__()
        state = {key: torch.from_numpy(value) for key, value in seeded_state(0, 1).items()}
        self.names = {key: key.replace(".", "_") for key in state}
        for key, value in state.items():
            if key.endswith(("running_mean", "running_var", "tracked")):
                self.register_buffer(self.names[key], value)
            else:
                self.register_parameter(self.names[key], nn.Parameter(value))

    def forward(self, x):
        state = {key: getattr(self, name) for key, name in self.names.items()}
        return torch_b0(state, x, self.training)


class Extractor(nn.Module):
    """The extractor as `jax_dns.discriminative.serial_oe` has it."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.transform = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(1280, width),
            nn.BatchNorm1d(width, momentum=0.01),
            nn.PReLU(init=0.25),
            nn.Linear(width, width),
        )
        self.machine, self.section = nn.Linear(width, 1), nn.Linear(width, SECTIONS)

    def forward(self, spectrogram):
        x = spectrogram[:, None].contiguous(memory_format=torch.channels_last)
        feature = self.transform(self.trunk(x).mean((2, 3)))
        return feature, self.machine(feature)[:, 0], self.section(feature)


def autoencoder() -> nn.Module:
    """f_G."""
    layers, width = [], 640
    for features in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        norm = nn.BatchNorm1d(features, eps=1e-3, momentum=0.01)
        layers += [nn.Linear(width, features), norm, nn.ReLU()]
        width = features
    return nn.Sequential(*layers, nn.Linear(width, 640)).to(DEVICE)


class Features:
    """Mel spectrograms of one of the paper's two settings; in decibels for the autoencoder."""

    def __init__(self, config, part: str) -> None:
        c, self.part = config[part], part
        self.n_fft, self.hop = c.n_fft, c.window_hop
        htk, norm = mel_kind(c, part)
        bank = librosa.filters.mel(
            sr=config.data.sample_rate,
            n_fft=c.n_fft,
            n_mels=c.n_mels,
            fmin=c.fmin,
            fmax=c.fmax,
            htk=htk,
            norm=norm,
        )
        self.bank = torch.from_numpy(bank).to(DEVICE)
        self.window = torch.hann_window(c.n_fft, device=DEVICE)

    def __call__(self, audio):
        spectrum = torch.stft(
            audio,
            self.n_fft,
            self.hop,
            window=self.window,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()
        if self.part == "extractor":
            return self.bank @ (power * (1 / (0.375 * self.n_fft))).sqrt()
        return 10 * torch.log10(torch.clamp(self.bank @ power, min=2.2e-16))

    def windows(self, audio, frames: int):
        """[n, D] windows of stacked frames."""
        stacked = self(audio).transpose(1, 2).unfold(1, frames, 1)  # [b, windows, mels, frames]
        return stacked.transpose(2, 3).reshape(-1, frames * stacked.shape[2])


def mel_kind(c, part: str) -> tuple[bool, str | None]:
    """librosa's `htk` and `norm`."""
    if part == "ae":
        return False, "slaney"
    return c.mel_scale == "htk", "slaney" if c.mel_norm == "slaney" else None
