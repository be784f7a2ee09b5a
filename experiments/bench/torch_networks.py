"""The networks and features of this project in PyTorch, for `torch_workloads.py`."""

import librosa
import torch
from inputs import N_SECTIONS, MelSettings, Settings
from torch import nn
from torch_efficientnet import HEAD_FEATURES, efficientnet_b0, seeded_state

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
HANN_ENERGY = 0.375  # of a periodic Hann window, per sample


class Trunk(nn.Module):
    """EfficientNet-B0 of one channel, its state dict as parameters and buffers."""

    def __init__(self) -> None:
        super().__init__()
        state = {key: torch.from_numpy(value) for key, value in seeded_state(0, 1).items()}
        self.names = {key: key.replace(".", "_") for key in state}
        for key, value in state.items():
            if key.endswith(("running_mean", "running_var", "tracked")):
                self.register_buffer(self.names[key], value)
            else:
                self.register_parameter(self.names[key], nn.Parameter(value))

    def forward(self, images):
        state = {key: getattr(self, name) for key, name in self.names.items()}
        return efficientnet_b0(state, images, self.training)


class Extractor(nn.Module):
    """SerialOE's feature extractor with its two heads."""

    def __init__(self, feature_dim: int, dropout: float) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.transform = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(HEAD_FEATURES, feature_dim),
            nn.BatchNorm1d(feature_dim, momentum=0.01),
            nn.PReLU(init=0.25),
            nn.Linear(feature_dim, feature_dim),
        )
        self.machine = nn.Linear(feature_dim, 1)
        self.section = nn.Linear(feature_dim, N_SECTIONS)

    def forward(self, spectrograms):
        """Returns f_D [b, d], g_mac [b], g_id [b, sections] of spectrograms [b, mels, frames]."""
        images = spectrograms[:, None].contiguous(memory_format=torch.channels_last)
        feature = self.transform(self.trunk(images).mean((2, 3)))
        return feature, self.machine(feature)[:, 0], self.section(feature)


def autoencoder() -> nn.Module:
    """Returns f_G, the DCASE baseline's autoencoder, on the device."""
    layers, width = [], 640
    for features in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        norm = nn.BatchNorm1d(features, eps=1e-3, momentum=0.01)
        layers += [nn.Linear(width, features), norm, nn.ReLU()]
        width = features
    return nn.Sequential(*layers, nn.Linear(width, 640)).to(DEVICE)


class MelSpectrogram:
    """Mel spectrograms [b, mels, frames] of waveforms [b, samples]; log-mel for the autoencoder."""

    def __init__(self, mel: MelSettings, *, sample_rate: int, log: bool) -> None:
        self.n_fft, self.hop_length, self.log = mel.n_fft, mel.hop_length, log
        bank = librosa.filters.mel(
            sr=sample_rate,
            n_fft=mel.n_fft,
            n_mels=mel.n_mels,
            fmin=mel.fmin,
            fmax=mel.fmax,
            htk=mel.htk,
            norm=mel.norm,
        )
        self.bank = torch.from_numpy(bank).to(DEVICE)
        self.window = torch.hann_window(self.n_fft, device=DEVICE)

    def __call__(self, audio):
        spectrum = torch.stft(
            audio,
            self.n_fft,
            self.hop_length,
            window=self.window,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()
        if self.log:
            return 10 * torch.log10(torch.clamp(self.bank @ power, min=2.2e-16))
        return self.bank @ (power / (HANN_ENERGY * self.n_fft)).sqrt()

    def windows(self, audio, frames: int):
        """Returns windows [n, frames * mels] of stacked adjacent frames."""
        stacked = self(audio).transpose(1, 2).unfold(1, frames, 1)  # [b, windows, mels, frames]
        return stacked.transpose(2, 3).reshape(-1, frames * stacked.shape[2])


def ae_features(settings: Settings) -> MelSpectrogram:
    """Returns the autoencoder's log-mel features."""
    return MelSpectrogram(settings.ae_mel, sample_rate=settings.sample_rate, log=True)


def extractor_features(settings: Settings) -> MelSpectrogram:
    """Returns the extractor's mel features."""
    return MelSpectrogram(settings.extractor_mel, sample_rate=settings.sample_rate, log=False)


def new_extractor(settings: Settings) -> Extractor:
    """Returns an extractor on the device, channels last."""
    net = Extractor(settings.feature_dim, settings.dropout)
    return net.to(DEVICE).to(memory_format=torch.channels_last)
