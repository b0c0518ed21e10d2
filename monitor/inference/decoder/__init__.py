"""A language model on ONNX Runtime: prompts in, one token per row and step out, with their statistics."""
