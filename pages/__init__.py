"""The pages of the app, one question each; what they are made of is in `ui/`."""
