"""Golden prompts sent to an endpoint on a schedule, and their answers compared with those of its pinned build."""
