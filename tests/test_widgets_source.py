from miniserve.portal.database import Database
from miniserve.widgets import source
from miniserve.widgets.panel import Panel


def test_shows_the_real_source_and_its_place() -> None:
    text = source.show_source(Panel.remove).data
    assert text.startswith("`miniserve/widgets/panel.py`\n\n```python\ndef remove(self)")
    assert text.endswith("\n```")
    assert "self.close()" in text


def test_a_decorated_function_is_shown_from_its_own_file() -> None:
    text = source.show_source(Database.session).data
    assert text.startswith("`miniserve/portal/database.py`\n")
