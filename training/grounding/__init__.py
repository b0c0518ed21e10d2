"""The groundedness model: read labelled data, train, cross-validate, export. Needs `training/requirements.txt`."""
