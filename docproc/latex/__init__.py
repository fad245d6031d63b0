"""LaTeX mathematics: parsed, respelled, checked, repaired and compared with evidence."""
