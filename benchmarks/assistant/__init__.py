"""The demo's language model, build by build."""
