"""The built-in recogniser: weights, configuration, tokenizer, and how they are read."""
