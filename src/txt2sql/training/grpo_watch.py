"""What a GRPO run tells between its steps: rewards by part, groups without variance, KL, entropy, times.

Measurements, checkpoints and the end are those of fine-tuning (`sft_watch`).

>>> told({"reward": 0.5, "frac_reward_zero_std": 0.25, "step_time": 4.0, "seconds/sampling": 2.0,
...       "seconds/reward": 0.1})["seconds/update"]
1.9
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from txt2sql.training.sft_watch import Watch

_NAMES = {
    "loss": "loss",
    "learning_rate": "lr",
    "grad_norm": "grad_norm",
    "reward": "reward",
    "reward_std": "reward_std",
    "right": "right",
    "hacks": "hacks",
    "frac_reward_zero_std": "groups_without_variance",
    "kl": "kl",
    "entropy": "entropy",
    "clip_ratio/region_mean": "clipped",
    "completions/mean_length": "answer_tokens",
    "completions/clipped_ratio": "answers_cut",
    "seconds/sampling": "seconds/sampling",
    "seconds/reward": "seconds/reward",
}
"""trl's name -> ours, in the order they are told."""


def told(logs: Mapping[str, Any]) -> dict[str, float]:
    """What is kept of trl's logs; what a step took beside sampling and judging is its update."""
    found = {ours: logs[theirs] for theirs, ours in _NAMES.items() if theirs in logs}
    found |= {name: value for name, value in logs.items() if name.startswith("reward/")}
    found = {name: float(value) for name, value in found.items() if value is not None}
    if "step_time" in logs:
        spent = found.get("seconds/sampling", 0.0) + found.get("seconds/reward", 0.0)
        found["seconds/update"] = round(float(logs["step_time"]) - spent, 6)
    return found


class GRPOWatch(Watch):
    """Watch over the logs of trl's GRPOTrainer."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """One row of numbers."""
        if self.tracker is None or "loss" not in (logs or {}):
            return
        row = told(logs)
        self._log(state.global_step, **row)
        self.note = f"reward {row.get('reward', 0.0):.3f}, right {row.get('right', 0.0):.1%}"
