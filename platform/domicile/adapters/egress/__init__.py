"""The way out of this process: what may be connected to, who opens it, and the guard that refuses everything else."""
