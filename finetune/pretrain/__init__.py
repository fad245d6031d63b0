"""How the built-in recogniser is made: data engine, training loop, evaluation and quantisation."""
