"""How well the per-trace scores tell bad answers from good ones, on labelled data of other people; and how fast."""
