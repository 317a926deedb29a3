"""Fourteen questions that people come with, each answered from Home with at most three acts; the answers against the warehouse.

The mark of a test has its question and how many acts it takes, no more and no fewer; docs/pages.md lists them.
"""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import BrowserContext, Locator

from prompt_joules.pages.ui import site
from prompt_joules.pages.ui.pure.words import figure
from prompt_joules.warehouse import called, electricity
from tests import warehouses
from tests.e2e.conftest import Visitor, watched

pytestmark = pytest.mark.e2e
MOST_ACTS = 3
HEIGHT = "document.querySelector('[data-testid=stMain]').scrollHeight"
TITLES = {entry[1]: entry[2] for entries in site.SECTIONS.values() for entry in entries}


class Asker:
    """A visitor who begins on Home and acts at most three times: a click, a choice from a list, a text in a field."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor, self.page, self.acts = visitor.go(""), visitor.page, 0

    def _acted(self) -> None:
        self.acts += 1
        assert self.acts <= MOST_ACTS, "the answer takes too many acts"
        self.visitor.settle()

    def click(self, place: Locator) -> None:
        place.click()
        self._acted()

    def go(self, page: str) -> None:
        """To a page, by the menu."""
        self.page.locator("section[data-testid=stSidebar]").get_by_role("link", name=page, exact=True).click()
        self.page.get_by_role("heading", name=TITLES[page]).wait_for()
        self._acted()

    def follow(self, link: str | re.Pattern[str], page: str) -> None:
        """A link of Home, to a page."""
        self.page.get_by_role("link", name=link).click()
        self.page.get_by_role("heading", name=TITLES[page]).wait_for()
        self._acted()

    def choose(self, label: str, value: str) -> None:
        """A value of a list, by typing."""
        box = self.page.get_by_role("combobox", name=label, exact=True).last
        box.click()
        box.fill(value)
        self.page.get_by_role("option", name=value, exact=True).click()
        self.page.keyboard.press("Escape")
        self._acted()

    def type(self, label: str, value: str) -> None:
        """A text into a field."""
        field = self.page.get_by_label(label, exact=True)
        field.fill(value)
        field.press("Enter")
        self._acted()

    def read(self) -> str:
        """All words of the page."""
        return self.page.locator("[data-testid=stMain]").inner_text().replace("\u00a0", " ")

    def hears(self, words: str | re.Pattern[str]) -> re.Match[str]:
        """Wait until the page says some words."""
        pattern = words if isinstance(words, re.Pattern) else re.compile(re.escape(words))
        deadline = time.monotonic() + 60
        while (found := pattern.search(self.read())) is None:
            assert time.monotonic() < deadline, f"{pattern.pattern} is not in: {self.read()}"
            self.page.wait_for_timeout(100)
        return found

    def told(self) -> str:
        """What the charts of the page say to visitors who cannot see them."""
        return " ".join(chart.get_attribute("aria-label") or "" for chart in self.page.locator("[data-testid=stVegaLiteChart]").all())


@pytest.fixture(scope="module")
def everybody(context: BrowserContext, shipped: str) -> Iterator[Visitor]:
    """One visitor who has all the questions, and comes back to Home with each."""
    visitor = Visitor(watched(context.new_page()), shipped)
    yield visitor
    visitor.page.close()


@pytest.fixture
def asker(everybody: Visitor, request: pytest.FixtureRequest) -> Iterator[Asker]:
    """A visitor with a question. Every page that the visitor reaches is without faults, and the acts are as many as the mark says."""
    one = Asker(everybody.starts())
    yield one
    one.visitor.assert_sound()
    said = request.node.get_closest_marker("question").kwargs["acts"]
    assert one.acts == said, f"the question takes {one.acts} acts, not {said}"


@pytest.fixture(scope="module")
def results(shipped_warehouse: Path) -> pl.DataFrame:
    """Every valid result of pretrained weights."""
    return warehouses.rows(shipped_warehouse, "select * from results where valid and weights = 'pretrained'")


@pytest.mark.question("Which 7B model takes least on an A100, and why?", acts=1)
def test_which_7b_model_on_an_a100_and_why(asker: Asker, results: pl.DataFrame) -> None:
    asker.click(asker.page.get_by_text("A100", exact=True).first)
    sized = results.filter(
        pl.col("gpu_model") == "A100", pl.col("task") == "chat", pl.col("batch_size") == 1, pl.col("params_total_b").is_between(3, 10)
    )
    low, high = sized.filter(pl.col("params_total_b") > 3).sort("energy_j")[[0, -1]].iter_rows(named=True)
    asker.hears(f"{figure(low['energy_j'], 3)} J ({low['model_name']})")
    asker.hears(f"{figure(high['energy_j'], 3)} J ({high['model_name']})")
    tokens = figure(high["output_tokens"] / low["output_tokens"], 2)
    asker.hears(f"{tokens}× the tokens, each at")  # why: how much of it is length


@pytest.mark.question("Does asking for a concise answer save energy, and how sure is that?", acts=1)
def test_does_asking_for_a_concise_answer_save_and_how_sure_is_that(asker: Asker, results: pl.DataFrame) -> None:
    asker.follow(re.compile("Asked for a short answer"), "Concise or verbose?")
    table = results.filter(pl.col("gpu_model") == "A40", pl.col("source") == "ML.ENERGY v1")
    pairs = table.filter(pl.col("task") == "chat").join(table.filter(pl.col("task") == "chat-concise"), on="model_id")
    change = (pairs["energy_j_right"] / pairs["energy_j"]).median()
    assert f"changes by −{100 * (1 - float(change)):.1f} % from chat to chat-concise" in asker.read()  # type: ignore[arg-type]
    assert "95 % interval" in asker.read()


@pytest.mark.question("What do compiling and batching save on an H200?", acts=1)
def test_what_compiling_and_batching_save_on_an_h200(asker: Asker) -> None:
    asker.follow(re.compile("What software saves depends"), "What software saves")
    said, told = asker.read(), asker.told()
    assert "on one H200" in said
    found = re.search(r"to (\d+) % less with compiling alone", said)
    assert found, "the answer is above the chart"
    named = re.findall(r"(\d[\d.]*B(?: random)?) ((?:eager|compiled|batch|server)[\w ()]*?) ([\d.]+)(?=;|$)", told)
    sizes: dict[str, dict[str, float]] = {size: {} for size, _, _ in named}
    for size, step, value in named:
        sizes[size][step] = float(value)
    both = {size: steps for size, steps in sizes.items() if {"eager (2023)", "compiled"} <= set(steps)}
    most = max(both, key=lambda size: 1 - both[size]["compiled"] / both[size]["eager (2023)"])
    steps = both[most]
    assert most.startswith("0.13B"), "the small model gains most"
    # The chart in words has two digits.
    assert abs(int(found[1]) - 100 * (1 - steps["compiled"] / steps["eager (2023)"])) < 1
    assert steps["batch of 32"] < steps["batch of 8"] < steps["compiled"] and "Batch of 32" in said


@pytest.mark.question("What did several setups say to one prompt, and for how many joules?", acts=2)
def test_one_prompt_across_setups_with_its_texts(asker: Asker) -> None:
    asker.go("Prompts")
    said = asker.read()
    assert len(set(re.findall(r"^(H[12]00 · .*batch \d+).*: [\d.]+ J", said, re.MULTILINE))) >= 4
    shown = asker.page.locator("[data-testid=stExpander] [data-testid=stText]:visible")
    assert asker.page.evaluate(HEIGHT) < 2_400, "answers are folded: the page of many long ones is not longer than one reads"
    before = shown.count()
    asker.click(asker.page.locator("summary", has_text="tokens.").nth(1))
    assert shown.count() == before + 1 and len(shown.last.inner_text()) > 100
    asker.visitor.assert_accessible()


@pytest.mark.question("Which answer is cheapest within 5 s?", acts=1)
def test_the_cheapest_answer_within_five_seconds(asker: Asker, results: pl.DataFrame) -> None:
    asker.follow("The cheapest answer within 5 s", "Trade-offs")
    fast = results.filter(pl.col("latency_s") <= 5, pl.col("task").is_in(["chat", "lm-arena-chat"]), pl.col("energy_j") > 0)
    best = fast.sort("energy_j").row(0, named=True)
    assert f"Least: {best['model_name']}" in asker.read() and f"with {figure(best['energy_j'], 3)} J" in asker.read()


@pytest.mark.question("What do a million answers a day of vicuna 7B take and cost in Germany?", acts=2)
def test_a_million_answers_a_day_in_germany(asker: Asker, results: pl.DataFrame) -> None:
    asker.follow("A million answers a day in Germany", "Planner")
    asker.choose("Model", "LLaMA · vicuna 7B")
    gpu = asker.hears(re.compile(r"vicuna-7B · (\w+) · FP16 · chat ·"))
    joules = results.filter(pl.col("model_name") == "vicuna-7B", pl.col("gpu_model") == gpu[1], pl.col("task") == "chat")["energy_j"].item()
    country = electricity.countries().filter(pl.col("country") == "Germany").row(0, named=True)
    kwh = joules * 1e6 * 365.25 * 1.2 / 3.6e6
    metrics = asker.page.locator("[data-testid=stMetricValue]").all_inner_texts()
    assert metrics == [f"{each:,.0f}" for each in (kwh, kwh * country["price_per_kwh"], kwh * country["grid_g_per_kwh"] / 1000)]
    asker.visitor.assert_accessible()
    assert "EUR a year" in asker.read() and "Eurostat" in asker.read() and "2023 (Ember" in asker.read()


@pytest.mark.question("Can I have the H100 rows that I see as a file?", acts=3)
def test_the_h100_rows_on_the_screen_come_down_as_a_file(asker: Asker, results: pl.DataFrame, tmp_path: Path) -> None:
    asker.follow("The table of all results", "Leaderboard")
    asker.choose("GPU", "H100")
    with asker.page.expect_download() as waiting:
        asker.click(asker.page.get_by_role("button", name="Download CSV").first)
    waiting.value.save_as(tmp_path / "rows.csv")
    rows = pl.read_csv(tmp_path / "rows.csv", comment_prefix="#", infer_schema_length=None)
    alone = results.filter(pl.col("gpu_model") == "H100", pl.col("task") == "chat", pl.col("batch_size") == 1)
    every = pl.col("energy_j").dot("prompts") / pl.col("prompts").sum()  # runs of one setup are one row
    setups = alone.group_by("engine", "prompt_set", "harness_version").agg(every.alias("energy_j"))
    assert rows["energy_j"].to_list() == pytest.approx(setups["energy_j"].sort().to_list(), rel=0.001)
    assert f"in {rows.height} configuration" in asker.read(), "as many as the page says that it shows"


@pytest.mark.question("8B: eager or compiled?", acts=1)
def test_8b_eager_or_compiled(asker: Asker, shipped_warehouse: Path) -> None:
    asker.go("What software saves")
    eager, compiled = (float(re.search(rf" 7\.4B {step} ([\d.]+)", asker.told())[1]) for step in (r"eager \(2023\)", "compiled"))  # type: ignore[index]
    sql = """select engine, sum(energy_j_total) / sum(measured_output_tokens_total) as token_j from runs
        where model_id = 'llama-3.1-8b-vocab-49k' and gpu = 'H200' and batch_size = 1 and valid and harness_version = '2.1' group by all"""
    known = dict(warehouses.rows(shipped_warehouse, sql).iter_rows())
    assert (eager, compiled) == pytest.approx((known["transformers-eager"], known["transformers-compiled"]), rel=0.05)
    assert eager > 1.5 * compiled


@pytest.mark.question("Does a bigger model cost more?", acts=1)
def test_does_a_bigger_model_cost_more(asker: Asker) -> None:
    asker.go("Energy and parameters")
    assert re.search(r"Twice the parameters: [\d.]+× the energy per token \(.*R² 0\.\d+; \d+ points", asker.read().replace("\n", " "))


@pytest.mark.question("How far has a token come since 2024, like for like?", acts=1)
def test_how_far_it_has_come_since_2024(asker: Asker, results: pl.DataFrame) -> None:
    asker.go("Three years")
    llama = results.filter(pl.col("model_id") == "meta-llama/Llama-3.1-8B-Instruct", pl.col("gpu_model") == "H100", pl.col("num_gpus") == 1)
    old, new = (llama.filter(pl.col("generation") == name, pl.col("task").is_in(["chat", "lm-arena-chat"])) for name in ("v2", "v3"))
    change = old.join(new, on="batch_size")["energy_per_token_j_right"] / old.join(new, on="batch_size")["energy_per_token_j"] - 1
    said = re.search(r"Llama 3\.1 8B Instruct on H100 · BF16: −(\d+) to −(\d+) %", asker.read())
    assert said
    assert sorted(map(int, said.groups())) == sorted(round(-100 * float(end)) for end in (change.min(), change.max()))  # type: ignore[arg-type]


@pytest.mark.question("Which run does not count, and why?", acts=3)
def test_which_run_does_not_count_and_why(asker: Asker) -> None:
    asker.go("Runs")
    asker.click(asker.page.get_by_text("1 invalid", exact=True))
    asker.page.locator("[data-testid=stDataFrame]").first.click(position={"x": 18, "y": 52})
    asker.page.get_by_role("dialog").wait_for()
    asker._acted()
    assert "Does not count. Remarks: No answer counts" in asker.page.get_by_role("dialog").inner_text()
    asker.visitor.assert_accessible()
    assert "run=" in asker.page.url, "the link names the run"


@pytest.mark.question("Why does a model of 2026 have a ≈?", acts=1)
def test_why_a_model_of_2026_has_a_wavy_sign(asker: Asker) -> None:
    asker.click(asker.page.get_by_text("lm-arena-chat", exact=True).first)
    asker.hears("≈ estimated by the source from J/token")
    asker.hears("One answer takes ≈ ")


@pytest.mark.question("What does an answer of a thousand tokens cost?", acts=2)
def test_what_an_answer_of_a_thousand_tokens_costs(asker: Asker) -> None:
    asker.go("Cost of a token")
    before = _fitted(asker)
    asker.type("Answer (token)", "1000")
    asker.hears("an answer of 1,000 tokens")
    assert _fitted(asker) > 3 * before


def _fitted(asker: Asker) -> float:
    found = re.search(r"about ([\d,.]+) J \(fitted; 95 % interval", asker.read())
    assert found
    return float(found[1].replace(",", ""))


@pytest.mark.question("How different is one prompt from the next?", acts=1)
def test_how_different_one_prompt_is_from_the_next(asker: Asker, shipped_warehouse: Path) -> None:
    asker.go("Distributions")
    said = re.search(r"One answer in twenty has at least ([\d,.]+) J, one in twenty at most ([\d,.]+).*?\(([\w-]+)", asker.read())
    assert said
    drawn = re.search(r"shown: GPU (\w+), engine ([^,]+), batch size (\d+), prompt set ([^.]+)\.", asker.read())
    assert drawn
    gpu, batch = drawn[1], drawn[3]
    engine, prompts = called.engine_id(drawn[2]), called.prompt_set_id(drawn[4])
    sql = f"""select quantile_cont(energy_j, 0.95), quantile_cont(energy_j, 0.05) from requests join runs using (run_id)
        where runs.task = '{said[3]}' and runs.gpu = '{gpu}' and runs.prompt_set = '{prompts}' and runs.batch_size = {batch}
        and runs.engine = '{engine}' and runs.weights = 'pretrained' and requests.status = 'ok' and requests.valid"""
    high, low = warehouses.rows(shipped_warehouse, sql).row(0)
    assert (float(said[1].replace(",", "")), float(said[2].replace(",", ""))) == pytest.approx((high, low), rel=0.03)
