"""Adapting a Qwen2-VL to an organisation's own scans: `from finetune.train import run`."""
