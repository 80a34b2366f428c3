"""The check sheet of a run: a page with each photograph, its eyes, its crop and its model, the worst first."""

import html
import math
from collections.abc import Callable, Mapping
from pathlib import Path

from gmjax.commands.checked_pictures import THUMBNAIL, Record, crop_path, jpeg, record_of
from gmjax.commands.run_files import as_text
from gmjax.data import Pictures, read_picture
from gmjax.files.atomic import write_atomically

ROWS = 100  # on a page

_STYLE = f"""
body {{ font: 15px/1.4 sans-serif; margin: 1.5em; color: #222 }}
table {{ border-collapse: collapse }}
td, th {{ padding: 4px 10px; text-align: left; vertical-align: top; border-top: 1px solid #ddd }}
img {{ max-width: {THUMBNAIL}px; max-height: {THUMBNAIL}px; display: block }}
.doubtful {{ background: #fff3c4 }}
.skipped {{ background: #f9d6d2 }}
"""


def write_check_sheet(
    folder: Path,
    pictures: Pictures,
    errors: Mapping[int, float],
    skipped: Mapping[int, str],
    render_path: Callable[[str], Path] | None = None,
) -> None:
    """Writes ``check.html``, and ``check-2.html`` ... for more than ``ROWS`` pictures: first the skipped ones, then the
    doubtful ones, then the others, each by error. ``errors``: the MSE of each picture by number. ``render_path``: where
    the drawing of its model is. Nothing else is needed to show a page. Only one page is held in memory."""

    def order(number: int) -> tuple[bool, bool, float]:
        is_doubtful = bool(record_of(folder, number).doubts)
        return number not in skipped, not is_doubtful, -errors.get(number, math.inf)

    numbers = sorted(range(len(pictures)), key=order)
    pages = [numbers[first : first + ROWS] for first in range(0, len(numbers), ROWS)]
    heads = ["photograph", "crop", *["model"] * (render_path is not None), "picture"]
    for page, some in enumerate(pages, 1):
        rows = []
        for number in some:
            name, record = pictures.name(number), record_of(folder, number)
            shown = [record.photo, _encoded(crop_path(folder, name))]
            shown += [] if render_path is None else [_encoded(render_path(name))]
            rows.append(_row(name, record, shown, errors.get(number), skipped.get(number)))
        others = (f'<a href="{_page(other)}">{other}</a>' for other in range(1, len(pages) + 1) if other != page)
        links = f"<p>Page {page} of {len(pages)}; the others: {' '.join(others)}</p>\n" if len(pages) > 1 else ""
        table = f"<table>\n<tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>\n{''.join(rows)}</table>\n"
        content = (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Check sheet</title>\n'
            f"<style>{_STYLE}</style></head><body>\n<h1>Check sheet</h1>\n<p>{len(pictures)} pictures, "
            f"the worst first. The eyes that were used are marked. PSNR says how near a model is to its crop: 30 dB is "
            f"a good likeness.</p>\n{links}{table}</body></html>\n"
        )
        write_atomically(folder / _page(page), content.encode("utf-8", "backslashreplace"))


def _row(name: str, record: Record, shown: list[str], error: float | None, reason: str | None) -> str:
    said = [f"<b>{html.escape(as_text(name))}</b>"]
    if error is not None:
        said.append(f"MSE {error:.3g}, PSNR {-10 * math.log10(max(error, 1e-30)):.1f} dB")
    if reason is not None:
        said.append(f"skipped: {html.escape(reason)}")
    elif record.doubts:
        said += [f"doubtful: {html.escape(doubt)}" for doubt in record.doubts]
    kind = "skipped" if reason is not None else "doubtful" if record.doubts else "good"
    images = [f'<img alt="" src="data:image/jpeg;base64,{content}">' if content else "" for content in shown]
    cells = [*images, "<br>".join(said)]
    return f'<tr class="{kind}">{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>\n'


def _encoded(path: Path) -> str:
    return jpeg(read_picture(path, color=True)) if path.is_file() else ""


def _page(number: int) -> str:
    return "check.html" if number == 1 else f"check-{number}.html"
