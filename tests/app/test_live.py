"""Live: a pair of answers, from fake servers and a recorded counter."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from prompt_joules.bench.meter.opening import AbsentMeter, open_meter
from prompt_joules.bench.run import live
from prompt_joules.pages.ui.of import live as room
from tests.app.conftest import Open, htmls, open_app, text
from tests.fake_server import FakeServer, serving, stream, whole


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FakeServer, FakeServer]]:
    """Two servers in the list, of which the second says twice as much."""
    short, long = (lambda body, n, words=words: stream(whole(words), 0.02) for words in (15, 30))
    with serving(short) as first, serving(long) as second:
        monkeypatch.setenv("PROMPT_JOULES_SERVERS", f"brief = fake-1b@{first.url}; wordy = fake-1b@{second.url}")
        yield first, second


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A recorded counter of 100 W in the place of this host's GPUs."""
    path = tmp_path / "trace.json"
    points = [[n * 0.005, n * 500.0] for n in range(20000)]
    path.write_text(json.dumps({"gpu_models": ["Replayed GPU"], "traces": [points]}))
    monkeypatch.setattr(live, "meter_of", lambda config, url: open_meter("server", config.edges, path))


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause between two questions would be waited for."""
    monkeypatch.setattr(live.Turns.__init__, "__defaults__", (0.0, 1000, live.Turns.__init__.__defaults__[2]))


def asked(app: AppTest) -> AppTest:
    """The page after a click on the button."""
    return next(button for button in app.button if button.label == "Ask both").click().run()


def test_two_answers_with_joules_words_and_joules_per_word(open_page: Open, pair: tuple[FakeServer, FakeServer], counter: None) -> None:
    app = open_page("live")
    assert not app.exception and app.title[0].value == "What does my own question cost?"
    app.text_area[0].set_value("Why is the sky blue?")
    asked(app)
    assert not app.exception and not app.error
    said = text(app)
    assert said.count("J per word") == 2 and htmls(app).count(" J ± ") == 2 and "**brief** answered for" in said
    assert [server.bodies[0]["messages"][-1]["content"] for server in pair] == ["Why is the sky blue?"] * 2
    assert pair[0].arrived_s[0] < pair[1].arrived_s[0] and pair[0].most_at_once == 1, "one after the other"
    kept = app.session_state["live_pair"]
    assert [one.row["output_words"] for one in kept] == [15, 30]
    assert "J per word" in text(app.run()), "the pair stays when the page is drawn again"


def test_without_a_gpu_it_says_what_is_missing(
    open_page: Open, pair: tuple[FakeServer, FakeServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "meter_of", lambda config, url: AbsentMeter("no GPU driver answers"))
    app = asked(open_page("live"))
    said = text(app)
    assert said.count("Why there are no joules: no GPU driver answers") == 2 and "word14" in said
    assert "not every energy was measured" in said and not app.exception


def test_a_server_that_is_away_does_not_hide_the_other(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda body, n: stream(whole(5))) as server:
        monkeypatch.setenv("PROMPT_JOULES_SERVERS", f"gone = m@http://127.0.0.1:9; here = fake-1b@{server.url}")
        app = asked(open_page("live"))
    assert "gone does not answer" in app.error[0].value and "127" not in app.error[0].value and "word4" in text(app) and not app.exception


def test_the_page_is_there_only_where_servers_are_configured(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMPT_JOULES_SERVERS", raising=False)
    assert open_page("live").title[0].value == "What does one answer cost in energy?", "an unknown page is Home"
    monkeypatch.setenv("PROMPT_JOULES_SERVERS", "nonsense")
    app = open_page("live")
    assert "NAME = MODEL@" in app.error[0].value and not app.exception


def test_a_difference_within_the_error_is_none() -> None:
    row = {"energy_j": 10.0, "energy_error_j": 0.6, "output_words": 20}
    assert "took the same" in room.verdict([row, row | {"energy_j": 11.0}], ["a", "b"])
    assert "2× as much" in room.verdict([row, row | {"energy_j": 20.0}], ["a", "b"])
    assert "not every energy was measured" in room.verdict([row, row | {"energy_j": None}], ["a", "b"])


def test_a_folder_on_the_server_is_named_by_its_last_part_and_a_fault_is_a_sentence() -> None:
    assert room.title("eager", "/models/smollm2/") == "**eager** · smollm2"
    assert room.title("eager", "C:\\models\\smollm2") == "**eager** · smollm2"
    assert room.title("eager", "meta-llama/Llama-3.1-8B") == "**eager** · meta\\-llama/Llama\\-3\\.1\\-8B"
    assert room.title("smollm2", "/models/smollm2") == "**smollm2**"
    assert room.sentence("no whole answer within 120 s", "eager") == "No whole answer within 120 s."
    assert room.sentence("gone does not answer: is its server running?", "gone") == "gone does not answer: is its server running?"
    assert room.so_far("", 3.0, None) == ("– J", "waits for the first word · 3.0 s")


def test_the_joules_stand_alone_above_a_line_with_the_rest() -> None:
    assert room.so_far("two words", 2.0, 1234.0) == ("1,230 J", "so far · 2 words · 2.0 s")
    assert room.so_far("two words", 2.0, None) == ("– J", "joules not known · 2 words · 2.0 s")
    row = {"energy_j": 50.0, "energy_error_j": 1.5, "output_words": 10, "output_tokens": 12, "latency_s": 2.0, "finish_reason": "stop"}
    assert room.measured(row) == ("50 J ± 1.5", "10 words · **5 J per word** · 12 tokens · 2.0 s")
    number, line = room.measured(row | {"energy_j": None, "energy_reason": "no GPU driver answers"})
    assert number == "– J" and line.startswith("joules not measured · 10 words") and "no GPU driver answers" in line


def test_live_reads_no_rows_and_needs_no_warehouse(
    pair: tuple[FakeServer, FakeServer], counter: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(tmp_path / "none.duckdb"))
    app = open_app("live")
    assert not app.exception and not app.error and app.title[0].value == "What does my own question cost?"
    asked(app)
    assert not app.error and text(app).count("J per word") == 2
    assert open_app("leaderboard").error, "pages of rows still say what is missing"
