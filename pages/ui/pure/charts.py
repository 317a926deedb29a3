"""Charts that several pages draw: frames in screen units in, Altair charts out."""

import altair as alt
import polars as pl

from prompt_joules.pages.ui.pure import axes, theme

# Values that are so many times apart are drawn on a logarithmic axis.
FAR_APART = 20


def intervals(found: pl.DataFrame, title: str) -> theme.Chart:
    """One value per result with its interval, where there is one.

    Args:
        found: rows with `label`, `shown_as`, `value`, `value_low`, `value_high`, and `energy_is` where it is not measured everywhere.
        title: what the value is, with its unit.
    """
    y = alt.Y("shown_as:N", title=None, sort=found["shown_as"].to_list(), axis=axes.names_axis(found["shown_as"]))
    log = far_apart(found)
    scale = alt.Scale(type="log", padding=12) if log else alt.Scale(zero=True)
    axis, title = axes.axis_of(log, found["value"]), f"{title}, logarithmic" if log else title
    low, middle = (alt.X(f"{name}:Q", title=title, scale=scale, axis=axis) for name in ("value_low", "value"))
    numbers = [
        alt.Tooltip("label:N", title="Result"),
        *(alt.Tooltip(f"value{end}:Q", title=name, format=",.4~g") for end, name in {"": title, "_low": "from", "_high": "to"}.items()),
    ]
    kinds = ["energy_is"] if "energy_is" in found.columns else []
    numbers += [alt.Tooltip("energy_is:N", title="Energy is") for _ in kinds]
    base = alt.Chart(found.select("label", "shown_as", "value", "value_low", "value_high", *kinds)).encode(y=y)
    bars = base.mark_rule(strokeWidth=3, color="gray").encode(x=low, x2=alt.X2("value_high"))
    dots = base.mark_point(filled=True, size=90, opacity=1, stroke="gray", strokeWidth=1).encode(x=middle, tooltip=numbers)
    dots = theme.filled(dots, found)
    return theme.finish(alt.layer(bars, dots), axes.names_high(found["shown_as"], 44))


def far_apart(found: pl.DataFrame) -> bool:
    """Whether a linear axis would squeeze the smallest of the values into its first twentieth."""
    ends = found.select("value", "value_low", "value_high")
    least, most = ends.min_horizontal().min(), found["value"].max()
    return isinstance(least, float) and isinstance(most, float) and least > 0 and most > FAR_APART * least
