from miniserve.widgets import source
from miniserve.widgets.panel import Panel


def test_shows_the_real_source_and_its_place() -> None:
    text = source.show_source(Panel.remove).data
    assert text.startswith("`miniserve/widgets/panel.py`\n\n```python\ndef remove(self)")
    assert text.endswith("\n```")
    assert "self.root.close()" in text
