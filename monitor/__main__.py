"""``python -m monitor`` is ``driftwarden``."""

from monitor.cli import main

main()
