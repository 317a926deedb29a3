"""How every chart looks. Pure: no Streamlit here.

Categorical colours come from `.streamlit/config.toml`, which has one list for light and one for dark; this module only
fixes which name comes first in that list, so that a GPU or a source keeps its colour on every page.
"""

import altair as alt

Chart = alt.Chart | alt.LayerChart | alt.FacetChart
HEIGHT = 460
# The name of the selection of a chart whose points can be clicked.
PICKED = "picked"
SMALL_HEIGHT = 320
LINKS_STYLE = """<style>
.views { display: flex; flex-wrap: wrap; gap: 8px; }
.views a {
  border: 1px solid rgba(128, 128, 128, 0.45); border-radius: 6px; padding: 3px 10px;
  font-size: 0.9rem; text-decoration: none; color: inherit;
}
.views a:hover, .views a:focus-visible { border-color: currentColor; }
</style>"""

# Streamlit writes white on the primary colour, which in the dark theme is too pale for it.
TAGS_STYLE = "<style>[data-tag] { color: light-dark(#FFFFFF, #10171D) !important; }</style>"

# Known names keep their place, and so their colour; names that are not listed follow in alphabetical order.
FIXED_ORDER: dict[str, tuple[str, ...]] = {
    "gpu_model": ("A40", "A100", "V100", "H100", "B200", "H200", "CPU"),
    "source": ("ML.ENERGY v1", "Prompt Joules", "ML.ENERGY v2", "ML.ENERGY v3"),
    "generation": ("v1", "own", "v2", "v3"),
    "family": (
        *("LLaMA", "Llama 2", "RWKV", "BLOOM", "StableLM", "Pythia", "RedPajama", "T5"),
        *("Qwen", "Llama 3", "Gemma", "Mistral", "GPT-OSS", "SmolLM", "DeepSeek", "OpenLLaMA"),
        *("Nemotron", "Code Llama", "StarCoder", "Phi", "Llama 4"),
    ),
    "task": ("chat", "chat-concise", "instruct", "instruct-concise"),
}


def order(field: str, names: list[str]) -> list[str]:
    """The domain of a colour scale: known names in their fixed places, then the others."""
    fixed = FIXED_ORDER.get(field, ())
    return [*fixed, *sorted(set(names) - set(fixed))]


def colour(field: str, title: str, names: list[str]) -> alt.Color:
    """A colour scale in which a name keeps its colour; the legend lists only what is shown."""
    shown = [name for name in order(field, names) if name in set(names)]
    return alt.Color(
        f"{field}:N",
        title=title,
        scale=alt.Scale(domain=order(field, names)),
        legend=alt.Legend(values=shown, orient="bottom", columns=2, labelLimit=200, symbolLimit=30),
    )


def pickable(points: alt.Chart, field: str = "result_id") -> alt.Chart:
    """Points that can be clicked; their data must have the field."""
    clicked: alt.Chart = points.add_params(alt.selection_point(name=PICKED, fields=[field], empty=True))
    return clicked


def finish(chart: Chart, height: int = HEIGHT) -> Chart:
    """The last touch to every chart: its height, readable labels, a quiet grid."""
    finished: Chart = (
        chart.properties(height=height)
        .configure_axis(labelFontSize=12, titleFontSize=13, titlePadding=10, labelLimit=180, labelOverlap=True)
        .configure_legend(labelFontSize=12, titleFontSize=12)
    )
    return finished
