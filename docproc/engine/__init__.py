"""Reading many pictures at once with a Qwen2-VL: see docs/engine.md."""
