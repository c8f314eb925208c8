"""A real JupyterLab in a real Chromium: what a reader sees and does."""
