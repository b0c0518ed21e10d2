"""How well the per-trace scores tell bad answers from good ones, on labelled data of other people; and how fast."""

import monitor  # noqa: F401 - it keeps numpy to one thread, which must be said before numpy is there
