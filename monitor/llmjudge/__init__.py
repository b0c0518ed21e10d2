"""A language model as a judge of answers, asked over OpenAI's API about some of the traces that are stored."""
