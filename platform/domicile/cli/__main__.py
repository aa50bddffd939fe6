"""``python -m domicile.cli``: the command without its entry point on the path."""

from domicile.cli.main import main

main()
