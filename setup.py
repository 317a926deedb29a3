"""What `pyproject.toml` cannot say: every folder is a package of `prompt_joules`, and the app's own files travel inside it."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
FOLDERS = ("bench", "ingest", "warehouse", "pages")
FRONT = "pages/front"
DATA = ("sql", "csv", "json", "jsonl", "parquet", "md", "svg", "png", "js", "zip")
APP_FILES = ("streamlit_app.py", ".streamlit/config.toml")


class WithApp(build_py):
    """Also puts the app's script and Streamlit's settings into the package, beside `pages/`, where Streamlit looks for both."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for name in APP_FILES:
                target = Path(self.build_lib) / "prompt_joules" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, target)


found = find_packages(str(ROOT), include=[pattern for folder in FOLDERS for pattern in (folder, f"{folder}.*")])
setup(
    packages=["prompt_joules", *(f"prompt_joules.{name}" for name in found if name != FRONT.replace("/", "."))],
    package_dir={"prompt_joules": FRONT, **{f"prompt_joules.{folder}": folder for folder in FOLDERS}},
    include_package_data=False,
    package_data={f"prompt_joules.{folder}": [f"**/*.{ending}" for ending in DATA] for folder in FOLDERS},
    cmdclass={"build_py": WithApp},
)
