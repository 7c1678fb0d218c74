"""Small drawings as SVG text: lines over an axis, and a grid of shaded cells."""

import html
import math

COLOURS = ("#2a78c8", "#d9622b", "#3a9a5b", "#8a5fc0")
INK = "#404040"
STYLE = "font-family: sans-serif; font-size: 12px"
LEFT, RIGHT, TOP, BOTTOM = 64, 84, 48, 46


def text(x, y, words, anchor="start", **more):
    more = "".join(f' {key}="{value}"' for key, value in more.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{INK}"{more}>{html.escape(str(words))}</text>'


def document(width, height, title, parts):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" style="{STYLE}">'
    name = f"<title>{html.escape(title)}</title>"
    paper = f'<rect width="{width}" height="{height}" fill="white"/>'
    return "\n".join([head, name, paper, text(LEFT, 20, title, style="font-size: 14px"), *parts, "</svg>"]) + "\n"


def ticks(most, count=5):
    """Round steps from 0 up to at least `most`."""
    raw = most / count
    size = 10 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw)
    return [step * i for i in range(math.ceil(most / step) + 1)]


def short(number):
    return f"{number / 1000:g}k" if number >= 1000 else f"{number:g}"


def lines(title, x_name, y_name, series, is_log=False, width=640, height=340):
    """One line of (x, y) for each name; the x axis is logarithmic on demand."""
    xs = sorted({x for points in series.values() for x, _ in points})
    y_ticks = ticks(max(y for points in series.values() for _, y in points))
    scale = math.log10 if is_log else float
    low, high = (scale(xs[0]), scale(xs[-1])) if is_log else (0, xs[-1])
    at_x = lambda x: LEFT + (scale(x) - low) / (high - low) * (width - LEFT - RIGHT)
    at_y = lambda y: height - BOTTOM - y / y_ticks[-1] * (height - TOP - BOTTOM)
    parts = []
    for y in y_ticks:
        parts.append(f'<line x1="{LEFT}" x2="{width - RIGHT}" y1="{at_y(y):.1f}" y2="{at_y(y):.1f}" stroke="{INK}" stroke-opacity="0.3"/>')
        parts.append(text(LEFT - 6, at_y(y) + 4, short(y), "end"))
    for x in xs if is_log else ticks(xs[-1])[:-1] + [xs[-1]]:
        parts.append(text(at_x(x), height - BOTTOM + 16, short(x), "middle"))
    parts.append(text((LEFT + width - RIGHT) / 2, height - 8, x_name, "middle"))
    parts.append(text(LEFT, 38, y_name))
    for colour, (name, points) in zip(COLOURS, series.items()):
        path = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3" fill="{colour}"/>' for x, y in points]
    # Names stand at the lines' ends, one below the other where those meet.
    ends = sorted((at_y(points[-1][1]), colour, name) for colour, (name, points) in zip(COLOURS, series.items()))
    at = 0
    for y, colour, name in ends:
        at = max(y, at + 14)
        parts.append(text(width - RIGHT + 8, at + 4, name).replace(INK, colour))
    return document(width, height, title, parts)


def grid(title, columns, panels, cell=(58, 20), worst=100):
    """Panels of rows by name, a cell for each column: 0 is clear, `worst` and more are dark; the figure stands in it."""
    left, top = 110, 64
    width, height, parts = left + cell[0] * len(columns) + 16, top, []
    for name, rows in panels:
        parts.append(text(left, height - 8, name, style="font-weight: bold"))
        for row, (label, values) in enumerate(rows.items()):
            y = height + row * cell[1]
            parts.append(text(left - 6, y + 14, label, "end"))
            for column, value in enumerate(values):
                shade = 0.7 * min(max(value, 0) / worst, 1) ** 0.5
                parts.append(
                    f'<rect x="{left + column * cell[0]}" y="{y}" width="{cell[0] - 2}" height="{cell[1] - 2}" fill="{COLOURS[1]}" fill-opacity="{shade:.2f}"/>'
                )
                parts.append(text(left + (column + 0.5) * cell[0], y + 14, f"{value:.0f}", "middle"))
        height += len(rows) * cell[1] + 34
    for column, name in enumerate(columns):
        x = left + (column + 0.5) * cell[0]
        parts.append(text(x, height + 2, name, "end", transform=f"rotate(-40 {x:.0f} {height + 2})"))
    return document(width, height + 70, title, parts)
