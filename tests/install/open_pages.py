"""Open every page of the installed app on a warehouse and say how many of them show rows. Run by the environment that has the wheel."""

import os
import sys
from pathlib import Path

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

import prompt_joules.pages
from prompt_joules.pages.ui import site
from prompt_joules.warehouse import connect

# The page of SQL has rows after a question.
QUERIES = {"export_sql": {"sql": "select run_id from runs"}}
package = Path(prompt_joules.__file__).parent
assert Path(sys.prefix) in package.parents, f"{package} is not in the environment {sys.prefix}"
os.environ[connect.VARIABLE] = sys.argv[1]
with_rows = 0
for entries in site.SECTIONS.values():
    for file, _, question in entries:
        app = AppTest.from_file(str(package / "streamlit_app.py"), default_timeout=120)
        app.query_params.update(QUERIES.get(file, {}))
        app._page_hash = calc_hash(file)
        app.run()
        assert not app.exception, (file, app.exception)
        assert [title.value for title in app.title] == [question]
        # The page of methods shows the rows of `tasks` as text.
        shown = (
            len(app.dataframe)
            + len(app.get("vega_lite_chart"))
            + sum("**chat-concise**" in text.value.replace("\\", "") for text in app.markdown)
        )
        print(file, shown)
        with_rows += shown > 0
print(f"{with_rows} of {sum(map(len, site.SECTIONS.values()))} pages with rows")
