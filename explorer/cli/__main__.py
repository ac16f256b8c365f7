"""``python -m explorer.cli``."""

from explorer.cli.main import main

main()
