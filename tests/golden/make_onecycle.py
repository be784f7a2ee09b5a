"""Writes onecycle.json: learning rate and beta_1 of torch's OneCycleLR, step by step.

python tests/golden/make_onecycle.py      (needs torch, extra bench)
"""

import json
import warnings
from pathlib import Path

import torch

golden = {}
for n_steps in (2, 3, 7, 10, 25, 100):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.AdamW([weight], lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1e-3, total_steps=n_steps)
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(n_steps):
            group = optimiser.param_groups[0]
            rows.append([group["lr"], group["betas"][0]])
            optimiser.step()
            if len(rows) < n_steps:
                schedule.step()
    golden[n_steps] = rows
path = Path(__file__).with_name("onecycle.json")
path.write_text(json.dumps(golden, indent=0) + "\n")
