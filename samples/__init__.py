"""The project's own small documents; make.py makes them again from their sources."""
